# SPDX-License-Identifier: Apache-2.0
"""An inspection service in memory, as ironic-inspector 12.5 behaves.

What matters to whoever polls it is kept: the record of the last inspection
stays finished until a new start was accepted, an end is committed in two
steps, nothing leads from waiting to an error but the service's own time-out,
a start may be answered with an error and begin all the same, and records can
be lost for ever. Thread-safe.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from baremetal_backend.drivers.discoverd.errors import (
    NoAnswer,
    Refusal,
    ServiceError,
    Trouble,
)
from baremetal_backend.drivers.discoverd.ports import Status

State = Literal["starting", "waiting", "processing", "finished", "error"]
Method = Literal["start", "status", "statuses", "abort", "data"]


@dataclass
class Record:
    """One node's last inspection, as the service has it."""

    uuid: str
    started_at: str
    state: State = "starting"
    finished: bool = False
    error: str | None = None
    finished_at: str | None = None
    data: Mapping[str, Any] | None = None

    def status(self) -> Status:
        return Status(
            self.uuid,
            self.finished,
            self.error,
            self.started_at,
            self.finished_at,
        )


@dataclass
class FakeInspection:
    """Is an ``InspectionService``. Change its attributes to spoil it."""

    #: False: a service older than version 1.8 of the protocol.
    lists: bool = True
    #: False: ``store_data = none``, the service's own default.
    keeps_data: bool = True
    #: Seconds that pass from one event to the next; 0: the clock stands.
    step: int = 1
    #: False: an old service, whose records have no times.
    has_times: bool = True

    records: dict[str, Record] = field(default_factory=dict)
    #: All that was asked, in order; the uuid of ``statuses`` is "".
    requests: list[tuple[Method, str]] = field(default_factory=list)
    #: Called at the begin of each request: a place to crash, or to change
    #: something in between.
    before: Callable[[Method, str], None] = lambda _method, _uuid: None
    #: Called when a start has begun, before it is answered.
    begun: Callable[[str], None] = lambda _uuid: None

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        self._seconds = 0
        self._outage: Trouble | None = None
        self._failures: dict[tuple[Method, str | None], deque[_Failure]] = {}
        self._late: set[str] = set()

    # -- InspectionService ---------------------------------------------------

    def start(self, uuid: str) -> None:
        with self._lock:
            failure = self._asked("start", uuid)
            if failure is not None:
                if failure.begins_now:
                    self._begin(uuid)
                elif failure.begins_later:
                    self._late.add(uuid)
                raise failure.error
            record = self.records.get(uuid)
            if record is not None and record.state in (
                "starting",
                "processing",
            ):
                raise Refusal(
                    f"Can not transition from state '{record.state}' on "
                    "event 'start'",
                    400,
                )
            self._begin(uuid)
        self.begun(uuid)

    def status(self, uuid: str) -> Status | None:
        with self._lock:
            self._ask("status", uuid)
            record = self.records.get(uuid)
            return self._shown(record) if record else None

    def statuses(self, uuids: Iterable[str]) -> Mapping[str, Status] | None:
        with self._lock:
            wanted = set(uuids)
            if not self.lists:
                return None
            self._ask("statuses", "")
            return {
                uuid: self._shown(record)
                for uuid, record in self.records.items()
                if uuid in wanted
            }

    def abort(self, uuid: str) -> bool:
        with self._lock:
            self._ask("abort", uuid)
            record = self.records.get(uuid)
            if record is None:
                return False
            if record.state in ("starting", "processing"):
                raise Refusal("Node is locked, please, retry later", 409)
            if not record.finished:
                self._end(record, "Canceled by operator")
            return True

    def data(self, uuid: str) -> Mapping[str, Any] | None:
        with self._lock:
            self._ask("data", uuid)
            record = self.records.get(uuid)
            if record is None or not self.keeps_data:
                return None
            return record.data

    # -- what happens at the service -----------------------------------------

    def boot(self, uuid: str) -> None:
        """It has rebooted the machine and waits for the ramdisk."""
        with self._lock:
            self.records[uuid].state = "waiting"

    def report(self, uuid: str) -> None:
        """The ramdisk has reported; the service writes into the node now."""
        with self._lock:
            self.records[uuid].state = "processing"

    def finish(
        self,
        uuid: str,
        error: str | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> None:
        """It has ended, from whatever state."""
        with self._lock:
            record = self.records[uuid]
            record.data = {} if data is None and not error else data
            self._end(record, error)

    def half_fail(self, uuid: str) -> None:
        """In the middle of the commit: the state says error, nothing else."""
        with self._lock:
            self.records[uuid].state = "error"

    def forget(self, uuid: str) -> None:
        """The record is lost: its database was, or a list of ours had not
        the node."""
        with self._lock:
            self.records.pop(uuid, None)

    def time_out(self) -> None:
        """Its own ``timeout`` has passed for all that is under way."""
        with self._lock:
            for record in self.records.values():
                if not record.finished:
                    self._end(record, "Introspection timeout")

    def begin_late(self) -> None:
        """What was answered with an error begins now."""
        with self._lock:
            late, self._late = self._late, set()
            for uuid in sorted(late):
                self._begin(uuid)

    # -- faults --------------------------------------------------------------

    def go_down(self, trouble: Trouble = "unreachable") -> None:
        """Nothing is answered any more."""
        self._outage = trouble

    def come_back(self) -> None:
        """All is answered again."""
        self._outage = None

    def fail_next(
        self,
        method: Method,
        error: ServiceError,
        uuid: str | None = None,
        *,
        times: int = 1,
    ) -> None:
        """The next requests of this kind end so, and do nothing.

        ``uuid``: only those about this node (not for ``statuses``).
        """
        self._put(method, uuid, _Failure(error), times)

    def refuse_next_start(
        self, uuid: str | None = None, why: str = "Failed validation of power"
    ) -> None:
        """400."""
        self.fail_next("start", Refusal(why, 400), uuid)

    def answer_500_and_start(
        self, uuid: str | None = None, *, later: bool = False
    ) -> None:
        """The next start is answered with an error, and begins all the same.

        ``later``: at ``begin_late``.
        """
        error = NoAnswer("500 (MessagingTimeout)", "error", True)
        failure = _Failure(error, begins_now=not later, begins_later=later)
        self._put("start", uuid, failure, 1)

    # -- for assertions ------------------------------------------------------

    def count(self, method: Method, uuid: str | None = None) -> int:
        """How often it was asked so."""
        with self._lock:
            if uuid is not None:
                return self.requests.count((method, uuid))
            return Counter(method for method, _uuid in self.requests)[method]

    # -- within --------------------------------------------------------------

    def _put(
        self, method: Method, uuid: str | None, one: _Failure, times: int
    ) -> None:
        with self._lock:
            waiting = self._failures.setdefault((method, uuid), deque())
            waiting.extend([one] * times)

    def _ask(self, method: Method, uuid: str) -> None:
        failure = self._asked(method, uuid)
        if failure is not None:
            raise failure.error

    def _asked(self, method: Method, uuid: str) -> _Failure | None:
        self.before(method, uuid)
        self.requests.append((method, uuid))
        if self._outage is not None:
            return _Failure(
                NoAnswer(
                    f"the service does not answer ({self._outage})",
                    self._outage,
                    method == "start" and self._outage in ("timeout", "error"),
                )
            )
        for key in ((method, uuid), (method, None)):
            waiting = self._failures.get(key)
            if waiting:
                return waiting.popleft()
        return None

    def _begin(self, uuid: str) -> None:
        # The data of the time before go with its record.
        self.records[uuid] = Record(uuid, self._now())

    def _end(self, record: Record, error: str | None) -> None:
        record.state = "error" if error else "finished"
        record.finished = True
        record.error = error
        record.finished_at = self._now()

    def _now(self) -> str:
        self._seconds += self.step
        minutes, seconds = divmod(self._seconds, 60)
        return f"2026-01-01T{minutes // 60:02}:{minutes % 60:02}:{seconds:02}"

    def _shown(self, record: Record) -> Status:
        status = record.status()
        if self.has_times:
            return status
        return Status(status.uuid, status.finished, status.error, None, None)


@dataclass(frozen=True)
class _Failure:
    error: ServiceError
    begins_now: bool = False
    begins_later: bool = False


class HandPool:
    """Runs what equipment was given when the test says so, in its thread."""

    def __init__(self) -> None:
        self._urgent: deque[Callable[[], None]] = deque()
        self._rest: deque[Callable[[], None]] = deque()

    @property
    def waiting(self) -> Sequence[Callable[[], None]]:
        """In the order in which it will run."""
        return (*self._urgent, *self._rest)

    def put(self, work: Callable[[], None], urgent: bool = False) -> None:
        (self._urgent if urgent else self._rest).append(work)

    def start(self) -> None:
        pass

    def stop(self) -> None:
        self._urgent.clear()
        self._rest.clear()

    def run(self) -> int:
        """All that waits, and what comes of it; how much it was."""
        done = 0
        while queue := self._urgent or self._rest:
            queue.popleft()()
            done += 1
        return done


class InlinePool(HandPool):
    """Runs it at once."""

    def put(self, work: Callable[[], None], urgent: bool = False) -> None:
        work()
