# SPDX-License-Identifier: Apache-2.0
"""``ports.InspectionService`` over python-ironic-inspector-client.

That library is known here and nowhere else, and loaded when a client is made.
Whatever it, keystoneauth or the service does, a method ends in time: with
what was asked for, checked, or with an error of ``drivers.discoverd.errors``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import requests
from keystoneauth1 import exceptions

from baremetal_backend.conf.discoverd import DiscoverdSettings
from baremetal_backend.drivers.discoverd import paging, reading
from baremetal_backend.drivers.discoverd.errors import (
    NoAnswer,
    Refusal,
    ServiceError,
    TooOld,
    Trouble,
)
from baremetal_backend.drivers.discoverd.ports import Status
from baremetal_backend.drivers.discoverd.tally import Tally
from baremetal_backend.drivers.discoverd.transport import ServiceSession
from baremetal_backend.drivers.discoverd.wording import cleaned, shown_url

Version = tuple[int, int]

# Of the protocol: what is spoken where the service can, and the least.
_WANTED: Final[Version] = (1, 8)
_LEAST: Final[Version] = (1, 0)
_CAN_ABORT: Final[Version] = (1, 3)
_CAN_LIST: Final[Version] = (1, 8)

# A list takes so many times as long as a request may, however long it is.
_LONGEST_LIST: Final = 10

# What reading rubbish raises, in the library and here.
_RUBBISH: Final = (
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)

# A node that there is not, to see whether questions are answered.
_NOBODY: Final = "00000000-0000-0000-0000-000000000000"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Line:
    """A client of the library, and what it agreed upon with the service."""

    client: Any
    version: Version


class InspectorClient:
    """Safe for all threads. Errors when made: ModuleNotFoundError."""

    def __init__(self, settings: DiscoverdSettings) -> None:
        import ironic_inspector_client

        self._library = ironic_inspector_client
        self._settings = settings
        self._url = settings.service_url or ""
        self._session = ServiceSession(settings)
        #: Making one asks the service, so it is kept while that answers.
        self._line: _Line | None = None
        self.tally = Tally()

    def check(self) -> None:
        """Whether the service will do. Errors: NoAnswer, TooOld."""
        line = self._line = self._guarded(self._connect)
        if line.version >= _CAN_LIST:
            self._ask("statuses", lambda it: it.client.list_statuses(limit=1))
        else:
            self.status(_NOBODY)

    def close(self) -> None:
        """Close all connections."""
        self._session.close()

    # -- InspectionService ---------------------------------------------------

    def start(self, uuid: str) -> None:
        """Begin with a node. Errors: NoAnswer, Refusal."""
        self._ask("start", lambda line: line.client.introspect(uuid))

    def status(self, uuid: str) -> Status | None:
        """The record of one node. Errors: NoAnswer."""

        def ask(line: _Line) -> Status | None:
            body = _unless_missing(lambda: line.client.get_status(uuid))
            return None if body is None else reading.status(body[0], uuid)

        return self._ask("status", ask)

    def statuses(self, uuids: Iterable[str]) -> Mapping[str, Status] | None:
        """The records that there are; None below version 1.8.

        Errors: NoAnswer.
        """
        wanted = frozenset(uuids)
        if not wanted:
            return {}
        seconds = _LONGEST_LIST * self._settings.request_timeout
        until = time.monotonic() + seconds

        def ask(line: _Line) -> Mapping[str, Status] | None:
            if line.version < _CAN_LIST:
                return None

            def fetch(marker: str | None, limit: int | None) -> object:
                if time.monotonic() > until:
                    raise self._no_answer(
                        "timeout", f"has no list within {seconds:g} s"
                    )
                return line.client.list_statuses(marker=marker, limit=limit)

            return paging.collect(fetch, wanted)

        return self._ask("statuses", ask)

    def abort(self, uuid: str) -> bool:
        """Give an inspection up; False: no record of it.

        Errors: NoAnswer, Refusal (409: again in a while).
        """

        def ask(line: _Line) -> bool:
            if line.version < _CAN_ABORT:
                raise Refusal(
                    f"The inspection service at {shown_url(self._url)} is too "
                    "old to give up an inspection: it speaks version "
                    f"{_shown(line.version)} of its protocol, and "
                    f"{_shown(_CAN_ABORT)} is needed.",
                    406,
                )
            done = _unless_missing(lambda: line.client.abort(uuid))
            return done is not None

        return self._ask("abort", ask)

    def data(self, uuid: str) -> Mapping[str, Any] | None:
        """All that was collected; None: nothing is kept. Errors: NoAnswer."""

        def ask(line: _Line) -> Mapping[str, Any] | None:
            body = _unless_missing(lambda: line.client.get_data(uuid))
            return None if body is None else reading.collected(body[0])

        return self._ask("data", ask)

    # -- within --------------------------------------------------------------

    def _ask(self, request: str, call: Callable[[_Line], T]) -> T:
        """One question, counted. Errors: NoAnswer; Refusal of orders."""
        begun = time.monotonic()
        failure: ServiceError | None = None
        try:
            return self._answer(call, request in ("start", "abort"))
        except ServiceError as error:
            failure = error
            raise
        finally:
            self.tally.add(request, failure, time.monotonic() - begun)

    def _answer(self, call: Callable[[_Line], T], is_order: bool) -> T:
        try:
            line = self._line
            if line is None:
                line = self._line = self._guarded(self._connect)
            return self._guarded(lambda: call(line), is_order)
        except NoAnswer:
            # Whatever answers next may be another version of it.
            self._line = None
            raise
        except TooOld as error:
            raise NoAnswer(
                str(error), "too old", may_have_begun=False
            ) from error
        except Refusal as error:
            if is_order:
                raise
            why = f"refuses to answer: {error}"
            raise self._no_answer("error", why) from error

    def _guarded(self, call: Callable[[], T], is_order: bool = False) -> T:
        """Errors: ServiceError, and no other."""
        try:
            return call()
        except exceptions.HttpError as error:
            trouble: Trouble = (
                "error" if error.http_status >= 500 else "access"
            )
            raise self._not_let_in(trouble, error) from error
        except exceptions.ClientException as error:
            raise self._not_let_in("access", error) from error
        except requests.exceptions.InvalidJSONError as error:
            raise self._senseless(error, is_order) from error
        except requests.RequestException as error:
            raise self._no_answer(
                "error", f"can't be asked: {cleaned(str(error))}", is_order
            ) from error
        except _RUBBISH as error:
            raise self._senseless(error, is_order) from error

    def _connect(self) -> _Line:
        """Agree upon a version. Errors: TooOld, and all of ``_guarded``."""
        try:
            return self._speaking(_WANTED)
        except self._library.VersionNotSupported as error:
            oldest, newest = error.supported_versions
        version = max(oldest, min(newest, _WANTED))
        if version < _LEAST or version[0] != _WANTED[0]:
            raise TooOld(
                f"The inspection service at {shown_url(self._url)} speaks "
                f"versions {_shown(oldest)} to {_shown(newest)} of its "
                f"protocol; needed is {_shown(_LEAST)} or a later one that "
                "begins with 1."
            )
        try:
            return self._speaking(version)
        except self._library.VersionNotSupported as error:
            raise self._no_answer("rubbish", "changes its version") from error

    def _speaking(self, version: Version) -> _Line:
        client = self._library.ClientV1(
            inspector_url=self._session.root,
            session=self._session,
            api_version=version,
        )
        return _Line(client, version)

    def _no_answer(
        self, trouble: Trouble, why: str, may_have_begun: bool = False
    ) -> NoAnswer:
        return NoAnswer(
            f"The inspection service at {shown_url(self._url)} {why}.",
            trouble,
            may_have_begun,
        )

    def _senseless(self, error: Exception, is_order: bool) -> NoAnswer:
        why = cleaned(str(error), 200) or type(error).__name__
        return self._no_answer(
            "rubbish", f"answers what makes no sense: {why}", is_order
        )

    def _not_let_in(self, trouble: Trouble, error: Exception) -> NoAnswer:
        where = shown_url(str(self._settings.auth_options.get("auth_url")))
        return NoAnswer(
            f"The identity service at {where} gives no token for the "
            f"inspection service: {cleaned(str(error), 200)}; see "
            "[discoverd]auth_type and what belongs to it.",
            trouble,
            may_have_begun=False,
        )


def _unless_missing(call: Callable[[], Any]) -> tuple[Any] | None:
    """What it brings; None: the service has no record. Errors: as ``call``."""
    try:
        return (call(),)
    except Refusal as refusal:
        if refusal.http_status == 404:
            return None
        raise


def _shown(version: Version) -> str:
    return ".".join(map(str, version))


__all__ = ["InspectorClient"]
