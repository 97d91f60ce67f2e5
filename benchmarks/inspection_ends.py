# SPDX-License-Identifier: Apache-2.0
"""When inspections end, at the service and here, as a client of both sees it.

A real ironic-inspector and our service as processes; ramdisks are played.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from baremetal_backend.conf.discoverd import DiscoverdSettings
from lab.faulty_proxy import Request
from tests.functional.inspection.service import Machine, Pair

_DEFAULTS = DiscoverdSettings()
_TIMEOUTS = ("connect_timeout", "start_timeout", "request_timeout")

_LOOK_EVERY = 0.1
_LONGEST = 300.0


@dataclass(frozen=True)
class Ends:
    """Of all nodes."""

    #: From the service's end of each until the node was manageable.
    seconds: Sequence[float]
    #: From the first poll after that end until then.
    after_poll: Sequence[float]
    #: Nodes that a further poll was needed for.
    missed: int
    #: Between the service's first end and its last.
    spread: float


class _Times:
    """When each node was first seen to have ended, on one side."""

    def __init__(self, look: Callable[[], set[str]], nodes: int) -> None:
        self.at: dict[str, float] = {}
        self._look = look
        self._nodes = nodes
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        deadline = time.monotonic() + _LONGEST
        while len(self.at) < self._nodes and time.monotonic() < deadline:
            # When it was asked: it may have ended at any time before.
            began = time.monotonic()
            for node in self._look() - self.at.keys():
                self.at[node] = began
            time.sleep(_LOOK_EVERY)

    def all(self) -> dict[str, float]:
        """Wait until all ended."""
        self._thread.join(_LONGEST)
        if len(self.at) < self._nodes:
            raise RuntimeError(f"{len(self.at)} of {self._nodes} have ended")
        return self.at


def ends_of(directory: Path, nodes: int, period: float, gap: float) -> Ends:
    """Inspect so many nodes; their ramdisks report ``gap`` seconds apart.

    :param period: seconds between two polls of ours
    """
    pair = Pair(
        directory,
        options={
            "discoverd": {
                "status_check_period": f"{period:g}",
                **{name: str(getattr(_DEFAULTS, name)) for name in _TIMEOUTS},
            },
            # On a busy machine it takes minutes to begin with all of them.
            "conductor": {"inspect_wait_timeout": "1800"},
        },
    )
    try:
        machines = pair.machines(nodes)
        pair.inspect(*machines)
        pair.until_booted(*machines, seconds=_LONGEST)
        polls = _polls(pair)
        theirs = _Times(lambda: _finished(pair), nodes)
        ours = _Times(lambda: _manageable(pair), nodes)
        _report(pair, machines, gap)
        ended, seen = theirs.all(), ours.all()
    finally:
        pair.close()
    return _compared(ended, seen, polls)


def _compared(
    ended: dict[str, float], seen: dict[str, float], polls: Sequence[float]
) -> Ends:
    seconds, after, missed = [], [], 0
    for node, end in ended.items():
        # A poll that began while the end was being looked for may have been
        # answered before it.
        following = [at for at in polls if end + 2 * _LOOK_EVERY <= at]
        seconds.append(seen[node] - end)
        after.append(max(0.0, seen[node] - following[0]) if following else 0.0)
        missed += len(following) > 1 and seen[node] > following[1]
    spread = max(ended.values()) - min(ended.values())
    return Ends(seconds, after, missed, spread)


def _polls(pair: Pair) -> list[float]:
    """When the service is asked for all records; grows."""
    found: list[float] = []

    def note(request: Request) -> None:
        if request.method == "GET" and request.path.endswith("/introspection"):
            found.append(time.monotonic())

    pair.proxy.fault = note
    return found


def _report(pair: Pair, machines: Sequence[Machine], gap: float) -> None:
    with ThreadPoolExecutor(len(machines), "ramdisk") as ramdisks:
        answers = []
        for machine in machines:
            answers.append(
                ramdisks.submit(pair.inspector.report, machine.report())
            )
            time.sleep(gap)
        for answer in answers:
            if answer.result(_LONGEST).status != 200:
                raise RuntimeError(f"a report was refused: {answer.result()}")


def _finished(pair: Pair) -> set[str]:
    found = pair.inspector.statuses()
    wrong = [one for one in found.values() if one["error"]]
    if wrong:
        raise RuntimeError(f"an inspection failed: {wrong[0]}")
    return {node for node, one in found.items() if one["finished"]}


def _manageable(pair: Pair) -> set[str]:
    listed = pair.backend.http(
        "GET", "/v1/nodes?fields=uuid,provision_state&limit=1000"
    ).json["nodes"]
    return {
        one["uuid"] for one in listed if one["provision_state"] == "manageable"
    }
