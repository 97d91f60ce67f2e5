# SPDX-License-Identifier: Apache-2.0
"""The table of states, walked row by row and at random."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baremetal_backend.core import states
from baremetal_backend.core.states import (
    STATES,
    VERBS,
    InvalidEvent,
    Kind,
    Takeover,
    process_event,
    verbs_from,
)

EVENTS = sorted({e for row in STATES.values() for e in row.events})

PAIRS = [(state, event) for state in STATES for event in EVENTS]


@pytest.mark.parametrize(("state", "event"), PAIRS)
def test_every_event_leads_where_the_table_says_or_is_refused(state, event):
    following = STATES[state].events.get(event)
    if following is None:
        with pytest.raises(InvalidEvent) as caught:
            process_event(state, event)
        assert (caught.value.state, caught.value.event) == (state, event)
        return
    step = process_event(state, event)
    assert (step.source, step.event, step.state) == (state, event, following)


@pytest.mark.parametrize(("name", "row"), STATES.items())
def test_every_row_of_the_table_is_consistent(name, row):
    assert set(row.events.values()) <= STATES.keys()
    assert (row.target is None) == (row.kind is Kind.REST)
    assert row.stable == (row.kind not in (Kind.BUSY, Kind.WAITING))
    # A conductor that dies leaves nobody to go on: the table must say what
    # becomes of the node. Waiting nodes have somebody outside.
    assert (row.on_takeover is None) == row.stable
    assert (row.on_takeover is Takeover.LEAVE) == (row.kind is Kind.WAITING)
    assert (row.on_timeout is not None) == (row.kind is Kind.WAITING)
    if row.on_timeout is not None:
        assert STATES[row.events[row.on_timeout.event]].stable
        assert row.on_timeout.option.endswith("_timeout")
    if row.kind in (Kind.WAITING, Kind.HELD):
        # Somebody can always end it, and the work can go on.
        event = "resume" if row.kind is Kind.WAITING else "unhold"
        following = STATES[row.events[event]]
        assert following.kind is Kind.BUSY
        assert following.steps == row.steps
        assert row.events.keys() & {"abort", "delete"}
    if row.kind is Kind.BUSY:
        # Whatever work raises ends in a state where nobody works.
        assert STATES[row.events["fail"]].stable
    # Clients wait for these endings to recognise a failure.
    if row.kind is Kind.FAILED:
        assert name.endswith(" failed")


def test_every_state_but_enroll_can_be_reached_from_enroll():
    seen, todo = set(), [states.ENROLL]
    while todo:
        state = todo.pop()
        if state not in seen:
            seen.add(state)
            todo.extend(STATES[state].events.values())
    assert seen == STATES.keys()


@pytest.mark.parametrize(("verb", "row"), VERBS.items())
def test_every_verb_starts_from_some_state_that_is_not_busy(verb, row):
    takers = [s for s in STATES if row.event in STATES[s].events]
    assert takers
    assert all(verb in verbs_from(state) for state in takers)
    assert all(STATES[state].kind is not Kind.BUSY for state in takers)


@pytest.mark.parametrize(
    ("state", "verb", "following", "target"),
    [
        ("enroll", "manage", "verifying", "manageable"),
        ("manageable", "provide", "cleaning", "available"),
        ("manageable", "clean", "cleaning", "manageable"),
        ("manageable", "inspect", "inspecting", "manageable"),
        ("manageable", "adopt", "adopting", "active"),
        ("available", "active", "deploying", "active"),
        ("available", "manage", "manageable", None),
        ("active", "rebuild", "deploying", "active"),
        ("active", "deleted", "deleting", "available"),
        ("active", "undeploy", "deleting", "available"),
        ("active", "rescue", "rescuing", "rescue"),
        ("rescue", "unrescue", "unrescuing", "active"),
        ("deploy failed", "deleted", "deleting", "available"),
        ("error", "deleted", "deleting", "available"),
        ("clean failed", "manage", "manageable", None),
        ("clean wait", "abort", "clean failed", "available"),
        ("clean hold", "abort", "clean failed", "available"),
        ("clean hold", "unhold", "cleaning", "available"),
        ("deploy hold", "unhold", "deploying", "active"),
        ("deploy hold", "deleted", "deleting", "available"),
        ("active", "service", "servicing", "active"),
        ("service wait", "abort", "service failed", "active"),
        ("service hold", "unhold", "servicing", "active"),
        ("service failed", "service", "servicing", "active"),
        ("service failed", "abort", "active", None),
        ("service failed", "deleted", "deleting", "available"),
    ],
)
def test_a_verb_moves_the_node_as_clients_know_it(
    state, verb, following, target
):
    row = VERBS[verb]
    step = process_event(state, row.event, None, row.target)
    assert (step.state, step.target) == (following, target)


def test_manual_cleaning_goes_back_to_manageable_through_wait_and_failure():
    step = process_event("manageable", "clean", None, "manageable")
    for event in ("wait", "resume", "hold", "unhold", "fail"):
        step = process_event(step.state, event, step.target)
        assert step.target == "manageable"
    assert step.state == "clean failed"


def test_tear_down_ends_in_cleaning_on_the_way_to_available():
    step = process_event("deleting", "done", "available")
    assert (step.state, step.target) == ("cleaning", "available")


def test_only_work_that_is_harmless_to_repeat_is_done_again():
    assert [s for s in STATES if STATES[s].on_takeover is Takeover.RESUME] == [
        "verifying",
        "deleting",
    ]


def test_an_unknown_state_is_refused_and_offers_no_verbs():
    with pytest.raises(InvalidEvent):
        process_event("nirvana", "manage")
    assert verbs_from("nirvana") == ()


def test_the_reason_names_both_states_the_event_and_the_target():
    step = process_event("available", "deploy")
    assert step.reason == (
        '"available" -> "deploying" on deploy, target "active"'
    )


@given(st.lists(st.sampled_from(EVENTS), max_size=30))
def test_no_sequence_of_events_loses_the_target_or_the_way_out(events):
    state, target = states.ENROLL, None
    for event in events:
        try:
            step = process_event(state, event, target)
        except InvalidEvent:
            continue
        state, target = step.state, step.target
        assert (target is None) == (STATES[state].kind is Kind.REST)
        assert STATES[state].events
