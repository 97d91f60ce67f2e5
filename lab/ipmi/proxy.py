# SPDX-License-Identifier: Apache-2.0
"""UDP proxies between clients and controllers, to spoil the network.

All proxies of a test are in one process of their own, so that their work is
not counted as the client's. Faults change at any time, for each alone.
"""

from __future__ import annotations

import dataclasses
import json
import random
import resource
import socket
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from lab.ipmi.faults import OPEN_REQUEST, Faults, payload_type, spoil
from lab.ipmi.loop import Loop, Remote
from lab.ipmi.target import Target
from lab.ports import LOOPBACK, free_port
from lab.processes import CHECKOUT, Crew


@dataclass(frozen=True)
class Counts:
    """Datagrams since the start."""

    requests: int = 0
    replies: int = 0
    #: Of both.
    lost: int = 0
    #: Open Session requests.
    logins: int = 0


class Proxy:
    """One of them, as tests see it."""

    def __init__(self, number: int, target: Target, remote: Remote) -> None:
        self.number = number
        #: What clients are told.
        self.target = target
        self._remote = remote

    @property
    def port(self) -> int:
        return self.target.port

    @property
    def driver_info(self) -> dict[str, object]:
        """For a node whose controller is behind this proxy."""
        return self.target.driver_info

    def spoil(self, faults: Faults | None = None, **values: Any) -> None:
        """Behave like this from now on; nothing: like a good network."""
        chosen = dataclasses.replace(faults or Faults(), **values)
        self._remote.call(
            "spoil",
            numbers=[self.number],
            faults=dataclasses.asdict(chosen),
        )

    def counts(self) -> Counts:
        """What has passed."""
        return Counts(**self._remote.call("counts", number=self.number))

    def turn_to(self, port: int, address: str = LOOPBACK) -> None:
        """Another controller is behind it from now on."""
        self._remote.call(
            "turn_to", number=self.number, address=address, port=port
        )


class Proxies(Sequence[Proxy]):
    """One for each target, in the same order; a context manager."""

    def __init__(
        self, directory: Path, targets: Sequence[Target], seed: int = 1
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._crew = Crew(directory)
        self._remote = Remote()
        places = [
            (free_port(), target.address, target.port) for target in targets
        ]
        plan = directory / "plan.json"
        plan.write_text(json.dumps({"seed": seed, "places": places}))
        self._process = self._crew.process(
            "proxies",
            [
                sys.executable,
                "-m",
                "lab.ipmi.proxy",
                str(plan),
                self._remote.name,
            ],
            ready=self._remote.answers,
            env={"PYTHONPATH": str(CHECKOUT)},
        )
        self._proxies = [
            Proxy(
                number,
                dataclasses.replace(target, address=LOOPBACK, port=place[0]),
                self._remote,
            )
            for number, (target, place) in enumerate(
                zip(targets, places, strict=True)
            )
        ]

    def __enter__(self) -> Proxies:
        self._process.start()
        try:
            self._process.wait_ready(20)
        except BaseException:
            self._crew.stop()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._remote.hang_up()
        self._crew.stop()

    def __getitem__(self, number: Any) -> Any:
        return self._proxies[number]

    def __len__(self) -> int:
        return len(self._proxies)

    @property
    def pid(self) -> int:
        """Of the process of all of them."""
        return self._process.pid

    def spoil(self, faults: Faults | None = None, **values: Any) -> None:
        """All of them, at once."""
        chosen = dataclasses.replace(faults or Faults(), **values)
        self._remote.call(
            "spoil",
            numbers=list(range(len(self))),
            faults=dataclasses.asdict(chosen),
        )


@dataclass
class _Wire:
    """One proxy, in its process."""

    behind: tuple[str, int]
    front: socket.socket | None = None
    faults: Faults = field(default_factory=Faults)
    #: Client's address to the socket that speaks for it.
    speakers: dict[tuple[Any, ...], socket.socket] = field(
        default_factory=dict
    )
    counts: Counter[str] = field(default_factory=Counter)


class _Wires:
    """All proxies of the process; its public methods are the remote's."""

    def __init__(self, loop: Loop, plan: Any) -> None:
        self._loop = loop
        self._dice = random.Random(plan["seed"])
        self._wires = [
            self._open(port, (behind_address, behind_port))
            for port, behind_address, behind_port in plan["places"]
        ]

    def ready(self) -> bool:
        return True

    def spoil(self, numbers: list[int], faults: dict[str, Any]) -> None:
        chosen = Faults(**{**faults, "only": tuple(faults["only"])})
        for number in numbers:
            self._wires[number].faults = chosen

    def counts(self, number: int) -> dict[str, int]:
        return self._wires[number].counts

    def turn_to(self, number: int, address: str, port: int) -> None:
        wire = self._wires[number]
        wire.behind = (address, port)
        for speaker in wire.speakers.values():
            self._loop.close(speaker)
        wire.speakers.clear()

    def _open(self, port: int, behind: tuple[str, int]) -> _Wire:
        wire = _Wire(behind)

        def asked(datagram: bytes, client: tuple[Any, ...]) -> None:
            wire.counts["requests"] += 1
            wire.counts["logins"] += payload_type(datagram) == OPEN_REQUEST
            speaker = wire.speakers.get(client)
            if speaker is None:
                speaker = self._speak_for(wire, client)
            self._pass_on(wire, datagram, False, speaker, wire.behind)

        wire.front = self._loop.udp(asked, port=port)
        return wire

    def _speak_for(
        self, wire: _Wire, client: tuple[Any, ...]
    ) -> socket.socket:
        def answered(datagram: bytes, _sender: tuple[Any, ...]) -> None:
            wire.counts["replies"] += 1
            assert wire.front is not None
            self._pass_on(wire, datagram, True, wire.front, client)

        address = "::1" if ":" in wire.behind[0] else LOOPBACK
        wire.speakers[client] = self._loop.udp(answered, address)
        return wire.speakers[client]

    def _pass_on(
        self,
        wire: _Wire,
        datagram: bytes,
        is_reply: bool,
        through: socket.socket,
        to: tuple[Any, ...],
    ) -> None:
        arriving = spoil(datagram, wire.faults, is_reply, self._dice)
        if not arriving:
            wire.counts["lost"] += 1
        for seconds, spoiled in arriving:
            if seconds:
                send = partial(_send, through, spoiled, to)
                self._loop.later(seconds, send)
            else:
                _send(through, spoiled, to)


def _send(through: socket.socket, datagram: bytes, to: Any) -> None:
    try:
        through.sendto(datagram, to)
    except OSError:
        # Closed meanwhile, full, or nobody there: a datagram may be lost.
        return


def main() -> None:
    """``python -m lab.ipmi.proxy PLAN REMOTE``."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    loop = Loop()
    wires = _Wires(loop, json.loads(Path(sys.argv[1]).read_text()))
    loop.listen(sys.argv[2], wires)
    loop.run()


if __name__ == "__main__":
    main()
