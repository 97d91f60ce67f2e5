# SPDX-License-Identifier: Apache-2.0
"""Errors that only HTTP knows, and the body in which any error is told.

Clients of the Bare Metal API parse a JSON document whose ``error_message``
is JSON again, with ``faultcode``, ``faultstring`` and ``debuginfo``.
"""

from __future__ import annotations

import json

from baremetal_backend.core.errors import BackendError, Invalid

JSON_TYPE = "application/json"


class NotAcceptable(BackendError):
    """The request needs another version of the API."""

    status = 406


class MethodNotAllowed(BackendError):
    """The resource exists and does not know this method."""

    status = 405


class BodyTooLarge(BackendError):
    """The body is longer than the service reads."""

    status = 413


class UnsupportedMediaType(BackendError):
    """The body is something else than JSON."""

    status = 415


class BadField(Invalid):
    """A value of the request is wrong; ``where`` names it."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where}: {why}")
        self.where = where


def body(faultstring: str, faultcode: str = "Client") -> bytes:
    """The document of an error."""
    fault = {
        "faultcode": faultcode,
        "faultstring": faultstring,
        "debuginfo": None,
    }
    return json.dumps({"error_message": json.dumps(fault)}).encode()
