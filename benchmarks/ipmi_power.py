# SPDX-License-Identifier: Apache-2.0
"""Power states of 1,000 controllers, beside eight workers with ipmitool.

    python benchmarks/ipmi_power.py [--bmcs 1000] [CASE]...

Real ipmi_sim (Debian's packages ``openipmi`` and ``ipmitool``), the same ones
for both, in one run, turn by turn. Ours is measured where it matters: every
answer was compared with the database, and the database is right in the end.
The tool's answers are compared with the truth and thrown away.

The cases:

sweeps    all are asked once, by a conductor that has just started and has to
          log in, and then with sessions open
dead      5 % do not answer; with logins
loss      2 % of all datagrams are lost, each way; with logins, and then with
          sessions open
power-on  nodes are switched on by the API, one by one, while each of all is
          asked every second
steady    each is asked every minute

The tool takes minutes where a controller does not answer: in ``dead`` and
``loss`` it gets ``--tool-bmcs`` of them (300). Ends with 0 only if all bars
were met. Nine minutes in all.
"""

from __future__ import annotations

import argparse
import logging
import socket
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import ipmitool_sweep
from ipmi_conductor import conductor
from ipmi_service import enrolled
from ipmitool_sweep import Sweep

from lab.ipmi.farm import Farm, SimulatedBmc
from lab.ipmi.proxy import Proxies
from lab.ipmi.target import Target

DEAD_PART = 0.05
LOSS = 0.02
INTERVAL = 60


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    case: str
    bar: str
    ours: str
    tool: str
    ratio: str
    met: bool


@dataclass(frozen=True)
class Bench:
    """What is measured, and how often."""

    farm: Farm
    directory: Path
    rounds: int
    tool_bmcs: int

    @property
    def bmcs(self) -> Sequence[SimulatedBmc]:
        """The controllers."""
        return self.farm.bmcs

    @property
    def targets(self) -> list[Target]:
        """All of them, without anything in between."""
        return [bmc.target for bmc in self.bmcs]

    def truth(self) -> list[bool]:
        """Whether each is on now."""
        found = self.farm.truth()
        return [found[bmc.number] for bmc in self.bmcs]


def main() -> int:
    """Print what was seen. 0: all bars are met."""
    arguments = _arguments()
    # A line for each that does not answer.
    logging.disable(logging.WARNING)
    lines: list[Line] = []
    with (
        tempfile.TemporaryDirectory(prefix="benchmark-") as name,
        Farm(Path(name) / "farm", arguments.bmcs, cheap=True) as farm,
    ):
        bench = Bench(
            farm,
            Path(name),
            arguments.rounds,
            min(arguments.tool_bmcs, arguments.bmcs),
        )
        for case in arguments.cases or CASES:
            for line in CASES[case](bench):
                _print(line)
                lines.append(line)
    return 0 if all(line.met for line in lines) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("cases", nargs="*", metavar="CASE", choices=[*CASES])
    parser.add_argument("--bmcs", type=int, default=1000)
    parser.add_argument("--tool-bmcs", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


# -- the cases ----------------------------------------------------------------


def sweeps(bench: Bench) -> list[Line]:
    """Both in turns; the medians."""
    cold, warm, theirs = [], [], []
    for _ in range(bench.rounds):
        theirs.append(ipmitool_sweep.sweep(bench.targets, bench.truth()))
        with conductor(bench.directory, bench.targets, bench.truth()) as one:
            cold.append(one.sweep())
            warm += [one.sweep() for _ in range(5)]
    tool = median(theirs)
    return [
        _compared("sweep, sessions open", median(warm), tool, 100, 100),
        _compared("sweep with logins", median(cold), tool, 30, None),
    ]


def _compared(
    case: str, ours: Sweep, tool: Sweep, wall_bar: int, cpu_bar: int | None
) -> Line:
    wall, cpu = tool.wall / ours.wall, tool.cpu / ours.cpu
    return Line(
        case,
        f"wall /{wall_bar}" + (f", CPU /{cpu_bar}" if cpu_bar else ""),
        shown(ours),
        shown(tool),
        f"wall /{wall:.0f}, CPU /{cpu:.0f}",
        wall >= wall_bar
        and cpu >= (cpu_bar or 0)
        and not ours.errors
        and not ours.wrong,
    )


def dead(bench: Bench) -> list[Line]:
    """Some are replaced by sockets that nobody reads."""
    number = round(DEAD_PART * len(bench.bmcs))
    victims = [i * len(bench.bmcs) // number for i in range(number)]
    with silence(number) as ports:
        targets = bench.targets
        for victim, port in zip(victims, ports, strict=True):
            targets[victim] = targets[victim].at(port)
        with conductor(bench.directory, targets, bench.truth()) as one:
            known = one.know(victims)
        some = bench.tool_bmcs
        tool = ipmitool_sweep.sweep(targets[:some], bench.truth()[:some])
    return [
        Line(
            f"5 % dead ({number})",
            "the live known within 1 s, the dead within 10 s",
            f"{known.live:.2f} s, {known.dead:.2f} s",
            f"{shown(tool)} ({some} BMCs)",
            "",
            known.live <= 1 and known.dead <= 10,
        )
    ]


def loss(bench: Bench) -> list[Line]:
    """Through proxies, in a process of their own."""
    with Proxies(bench.directory / "proxies", bench.targets) as proxies:
        targets = [proxy.target for proxy in proxies]
        proxies.spoil(drop=LOSS)
        with conductor(bench.directory, targets, bench.truth()) as one:
            us = one.sweep()
            again = [one.sweep() for _ in range(bench.rounds)]
        some = bench.tool_bmcs
        tool = ipmitool_sweep.sweep(targets[:some], bench.truth()[:some])
    worst = max([us, *again], key=lambda sweep: sweep.wall)
    return [
        Line(
            "2 % packet loss",
            "none wrong, none missed, <= 6 s",
            f"{shown(us)}; sessions open: {shown(median(again))}",
            f"{shown(tool)} ({some} BMCs)",
            "",
            worst.wall <= 6
            and not any(sweep.errors or sweep.wrong for sweep in [us, *again]),
        )
    ]


def power_on(bench: Bench) -> list[Line]:
    """Some that are off, one by one, while all are asked all the time."""
    with enrolled(bench.bmcs, interval=1, rate=0) as service:
        off = [node for node, bmc in service.nodes.items() if not bmc.is_on]
        seconds = [service.switch_on(node) for node in off[:20]]
        polls = service.watch(4).polls_per_second
    return [
        Line(
            "power on by API during a sweep",
            "<= 1.5 s",
            f"{statistics.median(seconds):.2f} s, at most "
            f"{max(seconds):.2f} s ({polls:.0f} polls/s)",
            "",
            "",
            max(seconds) <= 1.5,
        )
    ]


def steady(bench: Bench) -> list[Line]:
    """Nothing happens for two intervals."""
    with enrolled(bench.bmcs, interval=INTERVAL, rate=100) as service:
        # Until the first round is over, ages count from the start.
        service.watch(INTERVAL)
        seen = service.watch(2 * INTERVAL)
    return [
        Line(
            f"steady state, interval {INTERVAL} s",
            "p99 age <= 2 intervals, < 10 % of a core",
            f"p99 {seen.age_p99:.0f} s, {100 * seen.load:.1f} % of a core, "
            f"{seen.polls_per_second:.1f} polls/s",
            "",
            "",
            seen.age_p99 <= 2 * INTERVAL
            and seen.load < 0.1
            and not seen.failing,
        )
    ]


CASES: dict[str, Callable[[Bench], list[Line]]] = {
    "sweeps": sweeps,
    "dead": dead,
    "loss": loss,
    "power-on": power_on,
    "steady": steady,
}


@contextmanager
def silence(number: int) -> Iterator[list[int]]:
    """Ports where nobody answers, and nobody says so either."""
    with ExitStack() as open_sockets:
        ports = []
        for _ in range(number):
            one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            open_sockets.enter_context(one)
            one.bind(("127.0.0.1", 0))
            ports.append(int(one.getsockname()[1]))
        yield ports


# -- the table ----------------------------------------------------------------


def median(found: Sequence[Sweep]) -> Sweep:
    """Medians of the times; the worst of the rest."""
    return Sweep(
        statistics.median(one.wall for one in found),
        statistics.median(one.cpu for one in found),
        max(one.errors for one in found),
        max(one.wrong for one in found),
    )


def shown(sweep: Sweep) -> str:
    """In one cell."""
    faults = [
        f"{number} {what}"
        for number, what in ((sweep.errors, "missed"), (sweep.wrong, "wrong"))
        if number
    ]
    return ", ".join(
        [f"{sweep.wall:.2f} s", f"CPU {sweep.cpu:.2f} s", *faults]
    )


def _print(line: Line) -> None:
    """As soon as it is known: the whole table takes minutes."""
    print(
        f"{line.case}\n"
        f"    bar       {line.bar}: {'met' if line.met else 'MISSED'}\n"
        f"    ours      {line.ours}",
        *([f"\n    ipmitool  {line.tool}"] if line.tool else ()),
        *([f"\n    ratio     {line.ratio}"] if line.ratio else ()),
        sep="",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
