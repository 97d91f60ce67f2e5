# SPDX-License-Identifier: Apache-2.0
"""What the soak calls flat."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab.ipmi.flatness import Limits, Sample, judge

QUIET = Sample(memory_mib=80.0, threads=20, sockets=6, sessions=1)


def test_a_process_that_stays_as_it_is_is_flat() -> None:
    verdict = judge([QUIET] * 100, Limits())
    assert verdict.growing == ()
    assert "80.0" in verdict.table


def test_what_is_bought_in_the_first_quarter_is_no_growth() -> None:
    start = [replace(QUIET, memory_mib=40.0 + n) for n in range(25)]
    assert judge([*start, *[QUIET] * 75], Limits()).growing == ()


def test_a_spike_is_no_growth() -> None:
    samples = [QUIET] * 100
    samples[90] = replace(QUIET, memory_mib=300.0, sockets=500)
    assert judge(samples, Limits()).growing == ()


@pytest.mark.parametrize("name", ["memory_mib", "threads", "sockets"])
def test_steady_growth_is_found(name: str) -> None:
    samples = [
        replace(QUIET, **{name: getattr(QUIET, name) + n // 2})
        for n in range(100)
    ]
    [complaint] = judge(samples, Limits()).growing
    assert complaint.startswith(name)


def test_sessions_are_counted_at_any_time() -> None:
    samples = [QUIET] * 100
    samples[50] = replace(QUIET, sessions=3)
    assert judge(samples, Limits()).growing == (
        "sessions: 3 at one controller",
    )
