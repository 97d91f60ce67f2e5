# SPDX-License-Identifier: Apache-2.0
"""Which waits are too long, whatever the wall clocks do."""

from __future__ import annotations

from baremetal_backend.core.states import STATES, Kind
from baremetal_backend.core.waiting import TIMED, Wait, Watch

LIMITS = {"clean_callback_timeout": 100.0, "deploy_callback_timeout": 0.0}


def clean(node: str, since: str = "2026-01-01T00:00:00+00:00") -> Wait:
    return Wait(node, "clean wait", since)


def nodes(watch: Watch, now: float) -> list[str]:
    return [one.wait.node for one in watch.overdue(LIMITS.__getitem__, now)]


def test_a_wait_is_measured_from_its_first_sight():
    watch = Watch().see([clean("a")], 1000.0).see([clean("a")], 1060.0)
    assert nodes(watch, 1099.9) == []
    assert nodes(watch, 1100.0) == ["a"]


def test_the_timestamp_of_the_record_only_tells_waits_apart():
    # Centuries ago, or in the future: a stepped clock times nothing out.
    ancient = clean("a", "1999-01-01T00:00:00+00:00")
    future = clean("b", "2999-01-01T00:00:00+00:00")
    watch = Watch().see([ancient, future], 1000.0)
    assert nodes(watch, 1001.0) == []
    assert nodes(watch, 1100.0) == ["a", "b"]


def test_a_new_wait_of_the_same_node_begins_anew():
    watch = Watch().see([clean("a")], 1000.0)
    watch = watch.see([clean("a", "2026-01-01T00:01:00+00:00")], 1060.0)
    assert nodes(watch, 1110.0) == []
    assert nodes(watch, 1160.0) == ["a"]


def test_a_node_that_was_away_begins_anew():
    watch = Watch().see([clean("a")], 0.0).see([], 50.0)
    watch = watch.see([clean("a")], 90.0)
    assert nodes(watch, 150.0) == []


def test_a_limit_of_0_is_none():
    watch = Watch().see([Wait("a", "wait call-back", None)], 0.0)
    assert nodes(watch, 1e9) == []


def test_the_longest_wait_comes_first_and_says_which_option_ends_it():
    watch = Watch().see([clean("young")], 50.0)
    watch = Watch(dict(watch.first_seen) | {clean("old"): 0.0})
    old, young = watch.overdue(LIMITS.__getitem__, 1000.0)
    assert (old.wait.node, young.wait.node) == ("old", "young")
    assert old.sentence == (
        'nothing was heard for 100 s in "clean wait" '
        "([conductor]clean_callback_timeout)"
    )


def test_every_waiting_state_has_a_limit():
    waiting = {n for n, row in STATES.items() if row.kind is Kind.WAITING}
    assert set(TIMED) == waiting
