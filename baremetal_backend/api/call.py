# SPDX-License-Identifier: Apache-2.0
"""A request as handlers see it, and their answer.

``Call`` is checked when a handler gets it: the version is supported, the
query has only arguments that the handler declared, each once, and the body
is strict JSON that fits the handler's schema. A handler declares both by
``takes``; without, it takes no arguments and no body.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from baremetal_backend.api import microversions, wellformed
from baremetal_backend.api.faults import NotAcceptable
from baremetal_backend.rpc.interface import Conductor, ConductorDirectory
from baremetal_backend.storage import Storage


@dataclass(frozen=True, slots=True)
class Services:
    """What handlers work with; lives as long as the application."""

    conductor: Conductor
    directory: ConductorDirectory
    storage: Storage
    max_limit: int
    ready: Callable[[], bool]
    #: Entered by requests that wait for hardware. Errors: Unavailable.
    places: AbstractContextManager[None]
    #: Seconds within which ramdisks shall report.
    heartbeat_timeout: int = 300


@dataclass(frozen=True, slots=True)
class Call:
    """One request. ``base`` is the URL in front of ``/v1``."""

    services: Services
    version: int
    base: str
    path: str
    query: Mapping[str, str]
    body: Any = None

    @property
    def conductor(self) -> Conductor:
        """The conductor, or what carries calls to it."""
        return self.services.conductor

    @property
    def directory(self) -> ConductorDirectory:
        """Who serves what."""
        return self.services.directory

    @property
    def storage(self) -> Storage:
        """For reads."""
        return self.services.storage

    def needs(self, minor: int, what: str) -> None:
        """Refuse (406) unless the request is of this version or later."""
        if self.version < minor:
            raise NotAcceptable(
                f"Request not acceptable. {what} needs API version "
                f"{microversions.text(minor)} or later."
            )

    def flag(self, name: str) -> bool | None:
        """A boolean argument of the query, None if absent."""
        value = self.query.get(name)
        return None if value is None else wellformed.boolean(value, name)

    def uuid(self, name: str) -> str | None:
        """A uuid argument of the query, None if absent."""
        value = self.query.get(name)
        return None if value is None else wellformed.uuid(value, name)

    def line(self, name: str) -> str | None:
        """A text argument of the query, None if absent."""
        value = self.query.get(name)
        return None if value is None else wellformed.line(value, name)


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back. ``body`` is encoded already; None: no body."""

    status: int = 200
    body: bytes | None = None
    location: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


def answer(
    value: Any, status: int = 200, location: str | None = None
) -> Answer:
    """An answer with a JSON document."""
    return Answer(status, json.dumps(value).encode(), location)


ACCEPTED = Answer(202)
NO_CONTENT = Answer(204)

Handler = Callable[..., Answer]
H = TypeVar("H", bound=Handler)


@dataclass(frozen=True, slots=True)
class Takes:
    """What a handler takes beside its path."""

    query: frozenset[str] = frozenset()
    body: Mapping[str, Any] | None = None
    optional_body: bool = False
    big_body: bool = False


TAKES_NOTHING = Takes()


def takes(
    *query: str,
    body: Mapping[str, Any] | None = None,
    optional_body: bool = False,
    big_body: bool = False,
) -> Callable[[H], H]:
    """Declare a handler's arguments and the JSON schema of its body."""

    def mark(handler: H) -> H:
        declared = Takes(frozenset(query), body, optional_body, big_body)
        handler.takes = declared  # type: ignore[attr-defined]
        return handler

    return mark
