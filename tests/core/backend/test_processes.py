# SPDX-License-Identifier: Apache-2.0
"""Whether a registered process is alive, dead, or can't be seen."""

from __future__ import annotations

import dataclasses

import pytest

from baremetal_backend.core.processes import Fate, ProcessIdentity, fate

ME = ProcessIdentity("boot", "4026531836", 100, 5000)


def verdict(other, start_of=lambda _pid: None):
    return fate(str(other), ME, start_of)


def test_a_process_knows_itself():
    assert verdict(ME) is Fate.SELF


def test_a_neighbour_that_runs_is_alive():
    other = dataclasses.replace(ME, pid=200, started=6000)
    assert verdict(other, {200: 6000}.get) is Fate.ALIVE


def test_a_neighbour_that_is_not_there_is_dead():
    assert verdict(dataclasses.replace(ME, pid=200)) is Fate.DEAD


def test_a_number_that_was_given_out_again_is_another_process():
    other = dataclasses.replace(ME, pid=200, started=6000)
    assert verdict(other, {200: 7000}.get) is Fate.DEAD


@pytest.mark.parametrize(
    "change", [{"boot": "another"}, {"namespace": "4026539999"}]
)
def test_another_machine_or_container_is_out_of_sight(change):
    other = dataclasses.replace(ME, **change)
    assert verdict(other, {100: 5000}.get) is Fate.OUT_OF_SIGHT


@pytest.mark.parametrize("text", ["", "x", "a/b/c/d", "a/b/1", "a/b/1/2/3"])
def test_what_nobody_can_read_is_out_of_sight(text):
    assert verdict(text) is Fate.OUT_OF_SIGHT
