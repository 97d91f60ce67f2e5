# SPDX-License-Identifier: Apache-2.0
"""The benchmark of a sweep runs; its figures are not judged here."""

import re
import subprocess
import sys
from pathlib import Path

SWEEP = Path(__file__).resolve().parents[3] / "benchmarks" / "sweep.py"


def test_both_drivers_are_measured_on_the_same_nodes() -> None:
    done = subprocess.run(
        [sys.executable, str(SWEEP), "--nodes", "40", "--rounds", "1"],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert "sweep of 40 nodes, median of 1 rounds" in done.stdout
    for row in (r"nova 34( +[\d.]+){2}", r"ours( +[\d.]+){2}", "ratio"):
        assert re.search(row, done.stdout)
