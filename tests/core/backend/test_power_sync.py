# SPDX-License-Identifier: Apache-2.0
"""What follows from a power state that was read: tables and properties."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baremetal_backend.core.power_sync import (
    ACTIONS,
    POWER_FAILURE,
    Policy,
    Reading,
    Row,
    Standing,
    excluded,
    forgiven,
    is_settled,
    judge,
)
from baremetal_backend.core.records import Node
from baremetal_backend.core.states import STATES, Kind

FORCE = Policy(force=True, max_retries=3, interval=60.0)
FOLLOW = Policy(force=False, max_retries=3, interval=60.0)
ON, OFF = "power on", "power off"

UUID = "00000000-0000-4000-8000-000000000001"


def row(**values) -> Row:
    return Row(
        **{
            "uuid": UUID,
            "driver": "ipmi",
            "conductor_group": "",
            "version": 7,
            "lease_token": 3,
            "reservation": None,
            "power_interface": "ipmi",
            "power_state": ON,
            "target_power_state": None,
            "provision_state": "active",
            "maintenance": False,
            "fault": None,
            "disable_power_off": False,
        }
        | values
    )


def faulty(**values) -> Row:
    return row(
        maintenance=True, fault=POWER_FAILURE, power_state=None, **values
    )


def read(state, at=1000.0, confirmed=True) -> Reading:
    error = None if state else "10.0.0.1:623: silent"
    return Reading(state, at, error, confirmed)


# -- who is asked -------------------------------------------------------------


@pytest.mark.parametrize("state", STATES)
def test_only_nodes_that_nobody_works_on_are_asked(state):
    kind = STATES[state].kind
    expected = kind in (Kind.REST, Kind.FAILED) and state != "enroll"
    assert (excluded(row(provision_state=state)) is None) is expected


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"power_interface": None}, "it has no power interface"),
        ({"reservation": "bm1"}, "it is used by bm1"),
        ({"target_power_state": ON}, 'it is on the way to "power on"'),
        ({"maintenance": True}, "it is in maintenance"),
        ({"maintenance": True, "fault": "clean failure"}, "it is in "),
        ({"provision_state": "wait call-back"}, 'it is "wait call-back"'),
    ],
)
def test_who_is_not_asked_is_told_why(values, reason):
    assert excluded(row(**values)).startswith(reason)


def test_a_node_with_a_power_failure_is_asked_although_in_maintenance():
    assert excluded(faulty()) is None
    assert excluded(faulty(reservation="bm1")) is not None


# -- what becomes of it -------------------------------------------------------


@pytest.mark.parametrize("policy", [FORCE, FOLLOW])
def test_nothing_becomes_of_what_is_as_it_should_be(policy):
    verdict = judge(row(), read(ON), Standing(2, 10.0), policy)
    assert verdict.action == "nothing"
    assert verdict.standing.strikes == 0
    assert verdict.changes == {}


@pytest.mark.parametrize("policy", [FORCE, FOLLOW])
def test_a_first_state_is_taken_over(policy):
    verdict = judge(row(power_state=None), read(OFF), Standing(), policy)
    assert verdict.action == "adopt"
    assert verdict.changes == {"power_state": OFF}


def test_a_node_is_switched_back_to_what_it_was_told():
    verdict = judge(row(power_state=ON), read(OFF), Standing(), FORCE)
    assert verdict.action == "force"
    assert verdict.goal == ON
    assert verdict.changes == {}
    assert verdict.standing == Standing(1, 1000.0)
    assert verdict.reason == (
        'power state is "power off" and shall be "power on"; switched back'
    )


def test_without_force_the_record_follows_and_nothing_counts():
    verdict = judge(row(), read(OFF), Standing(2, 1.0), FOLLOW)
    assert verdict.action == "take over"
    assert verdict.changes == {"power_state": OFF}
    assert verdict.standing == Standing()


def test_a_node_that_must_not_be_switched_off_is_not():
    seen = row(power_state=OFF, disable_power_off=True)
    assert judge(seen, read(ON), Standing(), FORCE).action == "take over"
    seen = row(power_state=ON, disable_power_off=True)
    assert judge(seen, read(OFF), Standing(), FORCE).action == "force"


def test_a_node_that_can_not_be_switched_back_is_given_up():
    standing, actions = Standing(), []
    for number in range(5):
        verdict = judge(row(), read(OFF, 100.0 * number), standing, FORCE)
        standing = verdict.standing
        actions.append(verdict.action)
    assert actions == ["force", "force", "force", "give up", "force"]


def test_a_node_that_does_not_answer_is_given_up_after_so_many_times():
    standing, actions = Standing(), []
    for number in range(4):
        verdict = judge(row(), read(None, 100.0 * number), standing, FORCE)
        standing = verdict.standing
        actions.append(verdict.action)
    assert actions == ["nothing", "nothing", "nothing", "give up"]
    sentence = (
        "The power state could not be read 4 times in a row (it was "
        '"power on"): 10.0.0.1:623: silent'
    )
    assert verdict.failed
    assert verdict.changes == {
        # Nobody knows it: an old one would be taken for true.
        "power_state": None,
        "maintenance": True,
        "maintenance_reason": sentence,
        "fault": POWER_FAILURE,
        "last_error": sentence,
    }


def test_a_controller_that_restarts_does_not_cost_its_node_anything():
    # Half a minute of silence, asked every two seconds by impatient users.
    standing = Standing()
    for number in range(15):
        verdict = judge(row(), read(None, 2.0 * number), standing, FORCE)
        standing = verdict.standing
        assert verdict.action == "nothing"
    assert standing.strikes == 1
    assert judge(row(), read(ON, 60.0), standing, FORCE).standing.strikes == 0


def test_one_lost_packet_gives_nobody_up():
    strict = Policy(max_retries=0, interval=60.0)
    lost = judge(row(), read(None, 0.0, confirmed=False), Standing(), strict)
    assert lost.action == "nothing"
    again = judge(row(), read(None, 1.0), lost.standing, strict)
    assert again.action == "give up"


def test_a_wrong_state_is_acted_on_by_regular_questions_only():
    struck = judge(row(), read(OFF, 0.0), Standing(), FORCE).standing
    assert judge(row(), read(OFF, 2.0), struck, FORCE).action == "nothing"
    # Neither if it was right in between.
    right = judge(row(), read(ON, 3.0), struck, FORCE).standing
    assert judge(row(), read(OFF, 5.0), right, FORCE).action == "nothing"
    assert judge(row(), read(OFF, 59.0), right, FORCE).action == "force"


def test_what_nobody_had_time_for_does_not_count():
    struck = judge(row(), read(OFF, 0.0), Standing(), FORCE).standing
    again = judge(row(), read(OFF, 5.0), forgiven(struck), FORCE)
    assert again.action == "force"
    assert again.standing.strikes == 1


def test_an_answer_ends_a_power_failure_whatever_it_says():
    for state in (ON, OFF):
        verdict = judge(faulty(), read(state), Standing(), FORCE)
        assert verdict.action == "recover"
        assert verdict.changes == {
            "power_state": state,
            "maintenance": False,
            "maintenance_reason": None,
            "fault": None,
        }


def test_silence_after_a_power_failure_is_nothing_new():
    assert judge(faulty(), read(None), Standing(), FORCE).action == "nothing"


@pytest.mark.parametrize(
    ("changed", "still"),
    [
        ({}, True),
        # An operation, another controller, a description: all of them.
        ({"version": 8}, False),
        ({"reservation": "bm2"}, False),
    ],
)
def test_what_makes_an_observation_worthless(changed, still):
    node = Node(**{"uuid": UUID, "driver": "ipmi", "version": 7} | changed)
    assert row().is_still(node) is still


# -- properties ---------------------------------------------------------------

states = st.sampled_from([ON, OFF, None])
policies = st.builds(
    Policy,
    force=st.booleans(),
    max_retries=st.integers(0, 5),
    interval=st.floats(1, 600),
)


@given(
    policies,
    st.sampled_from([ON, OFF]),
    st.lists(st.tuples(states, st.floats(0.1, 900)), max_size=40),
)
def test_every_course_of_readings_keeps_the_promises(policy, told, course):
    """A node that stays as it is in the database, whatever is read."""
    seen, standing, now, acted = row(power_state=told), Standing(), 0.0, []
    for state, passed in course:
        now += passed
        verdict = judge(seen, read(state, now), standing, policy)
        assert verdict.action in (*ACTIONS, "nothing")
        assert verdict.standing.strikes <= policy.max_retries
        if verdict.action == "nothing":
            assert not verdict.changes
            assert verdict.goal is None
        else:
            assert verdict.reason
            # Only something wrong or unknown is acted on.
            assert state != told
        if verdict.action == "force":
            assert policy.force
            assert verdict.goal == told
            acted.append(now)
        if verdict.action == "give up":
            assert verdict.changes["power_state"] == state
            assert verdict.changes["fault"] == POWER_FAILURE
            acted.clear()
        if verdict.action == "take over":
            assert not policy.force
        standing = verdict.standing
    pairs = itertools.pairwise(acted)
    assert all(b - a >= policy.interval / 2 - 1e-6 for a, b in pairs)


@given(
    policies,
    st.one_of(st.just(faulty()), st.builds(row, power_state=states)),
    states,
    st.builds(
        Standing,
        st.integers(0, 3),
        st.one_of(st.none(), st.floats(0, 2000)),
    ),
)
def test_what_is_settled_needs_no_judge(policy, seen, state, standing):
    verdict = judge(seen, read(state), standing, policy)
    if is_settled(seen, state, standing):
        assert verdict.action == "nothing"
        assert verdict.standing == standing
    elif state is not None and state == seen.power_state:
        assert verdict.standing != standing


@given(policies, st.lists(st.sampled_from([ON, None]), max_size=30))
def test_giving_up_takes_more_than_the_retries_in_a_row(policy, course):
    silent, standing = 0, Standing()
    for number, state in enumerate(course):
        now = number * policy.interval
        verdict = judge(row(), read(state, now), standing, policy)
        standing = verdict.standing
        silent = silent + 1 if state is None else 0
        gives_up = silent > policy.max_retries
        assert (verdict.action == "give up") is gives_up
        if gives_up:
            silent = 0
