# SPDX-License-Identifier: Apache-2.0
"""How soon the service answers, and how much memory it takes.

    python benchmarks/start_up.py [--runs 5]
    python benchmarks/start_up.py --ironic VENV

Starts all in one process on a new SQLite file (Ironic's schema is made
before) and asks for the drivers until they are there. Prints the median of
the seconds from the start of the process to that answer, and of the resident
memory after it. ``--ironic`` measures a real Ironic beside it, turn by turn.
"""

from __future__ import annotations

import argparse
import statistics
import sys

from bare_metal_services import BACKEND, Software, ironic, running

GOAL_SECONDS = 1.5
GOAL_MIB = 110


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--ironic", metavar="VENV")
    arguments = parser.parse_args()
    contestants = [BACKEND]
    if arguments.ironic:
        contestants.append(ironic(arguments.ironic))
    seen: dict[str, list[tuple[float, float]]] = {}
    for _ in range(arguments.runs):
        for software in contestants:
            seen.setdefault(software.name, []).append(measure(software))
    print(f"{'service':18} {'first answer, s':>16} {'resident, MiB':>14}")
    for name, figures in seen.items():
        seconds, mebibytes = medians(figures)
        print(f"{name:18} {seconds:16.2f} {mebibytes:14.0f}")
    seconds, mebibytes = medians(seen[BACKEND.name])
    met = seconds < GOAL_SECONDS and mebibytes < GOAL_MIB
    print(
        f"goal of {GOAL_SECONDS} s and {GOAL_MIB} MiB: "
        f"{'met' if met else 'MISSED'}"
    )
    return 0 if met else 1


def measure(software: Software) -> tuple[float, float]:
    """Seconds to the first answer, MiB afterwards."""
    with running(software) as service:
        return service.seconds_to_answer, service.resident() / 2**20


def medians(figures: list[tuple[float, float]]) -> tuple[float, float]:
    return (
        statistics.median(f[0] for f in figures),
        statistics.median(f[1] for f in figures),
    )


if __name__ == "__main__":
    sys.exit(main())
