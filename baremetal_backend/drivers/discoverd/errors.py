# SPDX-License-Identifier: Apache-2.0
"""What can go wrong with the inspection service, and whether to ask again.

The tree::

    ServiceError
     +-- NoAnswer     nobody there, too late, 5xx, rubbish, access denied: it
     |                may be repaired; ask later, nothing failed yet
     +-- Refusal      it said no to this request (4xx): don't repeat it
     +-- TooOld       it doesn't speak the protocol that is needed

All are errors of hardware to the conductor: a node's inspection fails with
the sentence, if nobody catches them. No text holds a secret.
"""

from __future__ import annotations

from typing import Literal

from baremetal_backend.core.errors import HardwareFailed

#: What a change of is worth a line in the log.
Trouble = Literal[
    "unreachable", "timeout", "error", "rubbish", "access", "too old"
]


class ServiceError(HardwareFailed):
    """Root."""


class NoAnswer(ServiceError):
    """The service is not to be had at the moment."""

    def __init__(
        self, message: str, trouble: Trouble, may_have_begun: bool
    ) -> None:
        super().__init__(message)
        self.trouble = trouble
        #: The request was sent: perhaps it is carried out all the same.
        self.may_have_begun = may_have_begun


class Refusal(ServiceError):
    """The service won't do that."""

    def __init__(self, message: str, http_status: int) -> None:
        super().__init__(message)
        self.http_status = http_status


class TooOld(ServiceError):
    """The service, or what answers at its address, can't be used."""


__all__ = ["NoAnswer", "Refusal", "ServiceError", "TooOld", "Trouble"]
