# SPDX-License-Identifier: Apache-2.0
"""Ask controllers through the native client, as tests want to read it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from baremetal_backend.conf.ipmi import IpmiSettings
from baremetal_backend.drivers.ipmi.bmc import Bmc, Privilege, Secret
from baremetal_backend.drivers.ipmi.command import (
    CHASSIS_STATUS,
    Command,
    Response,
    is_powered_on,
)
from baremetal_backend.drivers.ipmi.errors import IpmiError
from baremetal_backend.drivers.ipmi.native.client import IpmiClient
from baremetal_backend.drivers.ipmi.ports import Answered
from lab.ipmi.target import Target


@contextlib.contextmanager
def running_client(**options: Any) -> Iterator[IpmiClient]:
    """A started client; ``options`` of ``[ipmi]``."""
    settings: Any = SimpleNamespace(ipmi=IpmiSettings(**options))
    client = IpmiClient(settings)
    client.start()
    try:
        yield client
    finally:
        client.stop()


def as_bmc(target: Target, **changes: Any) -> Bmc:
    """What a node with this driver_info is to the client."""
    values: dict[str, Any] = {
        "address": target.address,
        "port": target.port,
        "username": target.username.encode(),
        "password": Secret(target.password.encode()),
        "privilege": Privilege[target.account.privilege],
    }
    return Bmc(**values | changes)


def is_on(
    client: IpmiClient,
    target: Target | Bmc,
    seconds: float | None = None,
) -> bool:
    """Errors: IpmiError."""
    bmc = target if isinstance(target, Bmc) else as_bmc(target)
    return is_powered_on(client.call(bmc, CHASSIS_STATUS, seconds))


@dataclass(frozen=True)
class Ended:
    """How a call ended: what came of it, and how long it took."""

    outcome: Response | IpmiError
    seconds: float


def call(
    client: IpmiClient, bmc: Bmc, command: Command, seconds: float
) -> Ended:
    """Whatever happens is a result."""
    started = time.monotonic()
    outcome: Response | IpmiError
    try:
        outcome = client.call(bmc, command, seconds)
    except IpmiError as error:
        outcome = error
    return Ended(outcome, time.monotonic() - started)


class Sweep:
    """Background questions to many at once, and their answers."""

    def __init__(
        self, client: IpmiClient, bmcs: Iterable[Bmc], seconds: float
    ) -> None:
        self.answers: dict[Bmc, Answered] = {}
        self._bmcs = list(bmcs)
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self.started = time.monotonic()
        for bmc in self._bmcs:
            client.ask(
                bmc,
                CHASSIS_STATUS,
                seconds,
                lambda answered, bmc=bmc: self._took(bmc, answered),
            )

    def _took(self, bmc: Bmc, answered: Answered) -> None:
        with self._lock:
            assert bmc not in self.answers, f"{bmc.where} answered twice"
            self.answers[bmc] = answered
            if len(self.answers) == len(self._bmcs):
                self._ended.set()

    def wait(self, seconds: float) -> dict[Bmc, Answered]:
        """All answers. Errors: AssertionError."""
        ended = self._ended.wait(seconds)
        assert ended, f"{len(self.answers)} of {len(self._bmcs)} answered"
        return self.answers

    def states(self, seconds: float) -> list[bool | str]:
        """In the order of the question: on, off, or the kind of error."""
        answers = self.wait(seconds)
        return [_state(answers[bmc].outcome) for bmc in self._bmcs]


def _state(outcome: Response | IpmiError) -> bool | str:
    if isinstance(outcome, IpmiError):
        return outcome.kind
    return is_powered_on(outcome)
