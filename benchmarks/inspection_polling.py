# SPDX-License-Identifier: Apache-2.0
"""Following 1,000 inspections, beside a question for each of them.

    python benchmarks/inspection_polling.py [--nodes 1000] [CASE]...

A real ironic-inspector (PyPI, 12.5) with a record for each node, the same for
both, in one run, turn by turn.

The cases:

polling    ours: one run of the periodic task of interface ``discoverd``, with
           its query and its verdicts, over nodes of which none is ready. The
           alternative: one question for each node, as Ironic's ``inspector``
           interface asks, by the same client library, and nothing else.
ends       50 nodes are inspected, with ramdisks that are played: seconds from
           the service's end of each inspection until the node is manageable,
           for nodes that end at any time between two polls

Ends with 0 only if all bars were met. Six minutes.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import requests
from bare_metal_services import cpu_seconds
from inspection_ends import ends_of
from inspection_nodes import Polled, fill_records, polled

from lab.inspection.inspector import Inspector
from lab.processes import Crew

NODES_OF_ENDS = 50
#: Seconds between two polls, for ``ends``.
PERIOD = 30
#: Seconds to ask, to fetch what was collected, and to write.
WORK = 1.5
#: Most seconds of CPU for one poll.
CPU_BAR = 0.2
#: What the service shows on one page.
PAGE = 1000


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    case: str
    bar: str
    ours: str
    each: str
    ratio: str
    met: bool


@dataclass(frozen=True)
class Poll:
    """What one round over all nodes cost."""

    requests: float
    wall: float
    cpu: float
    #: CPU seconds of the service.
    service: float


def main() -> int:
    """Print what was seen. 0: all bars are met."""
    arguments = _arguments()
    logging.disable(logging.WARNING)
    lines: list[Line] = []
    for case in arguments.cases or CASES:
        for line in CASES[case](arguments):
            _print(line)
            lines.append(line)
    return 0 if all(line.met for line in lines) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("cases", nargs="*", metavar="CASE", choices=[*CASES])
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    return parser.parse_args()


# -- polling ------------------------------------------------------------------


def polling(arguments: argparse.Namespace) -> list[Line]:
    """Both in turns; medians, and our worst."""
    ours: list[Poll] = []
    each: list[Poll] = []
    with _service(arguments.nodes) as inspector, ExitStack() as stack:
        directory = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="benchmark-")
        )
        one = stack.enter_context(
            polled(Path(directory), inspector.service_url, arguments.nodes)
        )
        single = _single(inspector, one.uuids)
        # Versions are agreed upon once.
        one.poll()
        for _ in range(arguments.rounds):
            ours.append(_measured(inspector, one.poll))
            each.append(_measured(inspector, single))
        _check(one)
    pages = -(-arguments.nodes // PAGE)
    most, cpu = max(p.requests for p in ours), max(p.cpu for p in ours)
    us, them = _median(ours), _median(each)
    return [
        Line(
            f"a poll of {arguments.nodes} waiting nodes",
            f"at most 1 + {pages} requests, CPU < {CPU_BAR} s",
            f"{_shown(us)}; at most {most:g} requests, CPU {cpu:.3f} s",
            _shown(them),
            f"requests /{them.requests / us.requests:.0f}, CPU "
            f"/{them.cpu / us.cpu:.0f}, wall /{them.wall / us.wall:.0f}, the "
            f"service's CPU /{them.service / max(us.service, 0.01):.0f}",
            most <= 1 + pages and cpu < CPU_BAR,
        )
    ]


@contextmanager
def _service(nodes: int) -> Iterator[Inspector]:
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        crew = Crew(Path(name))
        # No bare metal service: the records alone are asked for, and stay.
        inspector = Inspector(
            crew, "http://127.0.0.1:9", DEFAULT={"clean_up_period": 0}
        )
        try:
            inspector.start()
            inspector.stop()
            fill_records(inspector.database, nodes)
            inspector.start()
            yield inspector
        finally:
            crew.stop()


def _single(inspector: Inspector, uuids: Sequence[str]) -> Callable[[], None]:
    import ironic_inspector_client

    client = ironic_inspector_client.ClientV1(
        inspector_url=inspector.url, api_version=(1, 8)
    )

    def ask() -> None:
        for uuid in uuids:
            if client.get_status(uuid)["finished"]:
                raise RuntimeError(f"{uuid} has ended")

    return ask


def _measured(inspector: Inspector, work: Callable[[], None]) -> Poll:
    """Requests are counted where they leave, whoever makes them."""
    sent = 0
    real = requests.adapters.HTTPAdapter.send

    def send(*args: Any, **kwargs: Any) -> Any:
        nonlocal sent
        sent += 1
        return real(*args, **kwargs)

    pid = inspector.process.pid
    with mock.patch.object(requests.adapters.HTTPAdapter, "send", send):
        service = cpu_seconds(pid)
        began, cpu = time.monotonic(), time.process_time()
        work()
        cpu = time.process_time() - cpu
        wall = time.monotonic() - began
    return Poll(sent, wall, cpu, cpu_seconds(pid) - service)


def _check(one: Polled) -> None:
    """All were found to wait: nothing was left out, nothing was begun."""
    if one.begun:
        raise RuntimeError(f"{one.begun} nodes needed something")


def _median(found: Sequence[Poll]) -> Poll:
    return Poll(
        *(
            statistics.median(getattr(one, name) for one in found)
            for name in ("requests", "wall", "cpu", "service")
        )
    )


def _shown(poll: Poll) -> str:
    return (
        f"{poll.requests:g} requests, {poll.wall:.2f} s, CPU {poll.cpu:.3f} "
        f"s, the service's CPU {poll.service:.2f} s"
    )


# -- ends ---------------------------------------------------------------------


def ends(arguments: argparse.Namespace) -> list[Line]:
    """From the service's end to ours; one after another, then all at once."""
    lines = []
    bar = PERIOD + WORK
    for how, gap in (
        ("one after another", 2.5 * PERIOD / NODES_OF_ENDS),
        ("at once", 0.0),
    ):
        with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
            found = ends_of(Path(name), NODES_OF_ENDS, PERIOD, gap)
        most = max(found.seconds)
        lines.append(
            Line(
                f"{NODES_OF_ENDS} inspections, {how}, a poll every {PERIOD} s",
                f"manageable by the next poll, within {bar:g} s",
                f"median {statistics.median(found.seconds):.1f} s, at most "
                f"{most:.1f} s; {max(found.after_poll):.1f} s after the poll "
                f"at most, {found.missed} needed another; the service ended "
                f"them within {found.spread:.0f} s",
                "",
                "",
                most <= bar and not found.missed,
            )
        )
    return lines


CASES: dict[str, Callable[[argparse.Namespace], list[Line]]] = {
    "polling": polling,
    "ends": ends,
}


# -- the table ----------------------------------------------------------------


def _print(line: Line) -> None:
    print(
        f"{line.case}\n"
        f"    bar          {line.bar}: {'met' if line.met else 'MISSED'}\n"
        f"    ours         {line.ours}",
        *([f"\n    one by one   {line.each}"] if line.each else ()),
        *([f"\n    ratio        {line.ratio}"] if line.ratio else ()),
        sep="",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
