# SPDX-License-Identifier: Apache-2.0
"""How pretended hardware behaves."""

from __future__ import annotations

import dataclasses
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baremetal_backend.conf.settings import FakeSettings, parse_delay
from baremetal_backend.core.errors import HardwareRefused
from baremetal_backend.core.records import Node
from baremetal_backend.drivers.fake import script

CHANCE = random.Random(1)


def node(**info):
    return Node(uuid="u", driver="fake-hardware", driver_info=info)


def play(found, operation="deploy", **delays):
    return script.play(found, operation, FakeSettings(delays), CHANCE)


def test_without_a_script_everything_works_at_once():
    assert play(node()) == script.Play(0.0, None, None)


@pytest.mark.parametrize(
    ("operation", "option"),
    [("deploy", "deploy"), ("clean", "deploy"), ("unrescue", "rescue")],
)
def test_the_option_of_the_interface_holds_unless_the_node_says(
    operation, option
):
    assert play(node(), operation, **{option: (3.0, 3.0)}).seconds == 3.0
    own = node(**{f"fake_{operation}_delay": "1"})
    assert play(own, operation, **{option: (3.0, 3.0)}).seconds == 1.0


@given(st.floats(0, 100), st.floats(0, 100))
def test_a_range_is_kept(one, two):
    low, high = sorted((one, two))
    found = play(node(fake_deploy_delay=f"{low!r},{high!r}"))
    assert low <= found.seconds <= high


@pytest.mark.parametrize(
    "text", ["", "a", "1,2,3", "2,1", "-1", "nan", "inf", "1,", True, [], {}]
)
def test_what_is_no_delay_is_refused(text):
    with pytest.raises(ValueError, match="is not a delay"):
        parse_delay(text)


def test_a_failure_happens_as_often_as_it_should():
    found = node(fake_deploy_fail="no", fake_deploy_fail_times=2)
    outcomes = []
    for _ in range(4):
        act = play(found)
        outcomes.append(act.failure)
        if act.counted is not None:
            found = dataclasses.replace(
                found, driver_internal_info=act.counted
            )
    assert outcomes == ["no", "no", None, None]
    other = dataclasses.replace(
        found,
        driver_info={**found.driver_info, "fake_deploy_fail": "new"},
    )
    assert play(other).failure == "new"


def test_a_failure_without_a_number_happens_always():
    found = node(fake_clean_fail="no")
    for _ in range(3):
        act = play(found, "clean")
        assert (act.failure, act.counted) == ("no", None)


def test_an_unknown_key_names_what_is_known():
    with pytest.raises(HardwareRefused, match="unrescue"):
        script.check({"fake_explode_delay": 1})
    script.check({"ipmi_address": "x", "fake_deploy_delay": None})


def test_every_operation_is_documented_by_one_interface():
    kinds = {owner for owner, _option in script.OPERATIONS.values()}
    keys = [key for kind in kinds for key in script.properties(kind)]
    expected = 3 * len(script.OPERATIONS) + len(script.WAITING)
    assert len(keys) == len(set(keys)) == expected
