# SPDX-License-Identifier: Apache-2.0
"""Decorators describe steps, and refuse what can't be meant, at import."""

from __future__ import annotations

import pytest

from baremetal_backend.core.steps import RESERVED, Argument, Step
from baremetal_backend.drivers.base import (
    DeployInterface,
    ManagementInterface,
    clean_step,
    deploy_step,
    service_step,
    verify_step,
)
from baremetal_backend.drivers.fake.hardware import FakeDeploy


class First(ManagementInterface):
    name = "first"

    @clean_step(
        priority=3,
        abortable=True,
        argsinfo={"passes": {"description": "How often."}},
        requires_ramdisk=True,
    )
    @service_step()
    def erase(self, task, passes=1):
        """Overwrite it all.

        More than once.
        """

    @verify_step(priority=1)
    def look(self, task):
        """Look at it."""


class Second(First):
    name = "second"

    def erase(self, task, passes=1):
        """Do it in another way."""

    @verify_step(priority=9)
    def look(self, task):
        """Look twice."""

    @deploy_step(priority=2)
    def build(self, task):
        """Build it."""


def test_a_method_can_be_several_kinds_of_step():
    assert First.steps("clean") == {
        "erase": Step(
            "clean",
            "erase",
            "Overwrite it all.",
            3,
            True,
            {"passes": Argument("How often.")},
            True,
        )
    }
    assert First.steps("service")["erase"].priority == 0
    assert First.steps("deploy") == {}


def test_a_method_that_overrides_a_step_keeps_its_description():
    assert Second.steps("clean") == First.steps("clean")


def test_a_description_of_its_own_replaces_the_inherited_one():
    assert Second.steps("verify")["look"].priority == 9
    assert First.steps("verify")["look"].priority == 1


def test_a_subclass_adds_steps_without_touching_its_parent():
    assert list(Second.steps("deploy")) == ["build"]
    assert First.steps("deploy") == {}


def test_every_deploy_interface_deploys_prepares_and_boots():
    found = {
        name: step.priority
        for name, step in FakeDeploy.steps("deploy").items()
    }
    assert found == {
        "deploy": 100,
        "prepare_instance_boot": 60,
        "boot_instance": 20,
    }
    assert DeployInterface.steps("deploy").keys() == found.keys()


@pytest.mark.parametrize("priority", ["10", 1.5, None, True])
def test_a_priority_is_a_whole_number(priority):
    with pytest.raises(TypeError, match=r"clean_step on .*erase: priority"):

        @clean_step(priority=priority)
        def erase(self, task):
            pass


def test_a_priority_is_not_negative():
    with pytest.raises(ValueError, match="priority"):

        @deploy_step(priority=-1)
        def erase(self, task):
            pass


@pytest.mark.parametrize("name", RESERVED)
def test_a_name_that_every_node_has_is_taken(name):
    def method(self, task):
        pass

    method.__name__ = name
    with pytest.raises(ValueError, match="reserved"):
        service_step()(method)


@pytest.mark.parametrize(
    "argsinfo",
    [
        ["passes"],
        {"passes": "How often."},
        {"passes": {}},
        {"passes": {"required": True}},
    ],
)
def test_argsinfo_describes_each_argument(argsinfo):
    with pytest.raises(TypeError, match="argsinfo must be"):

        @clean_step(argsinfo=argsinfo)
        def erase(self, task, passes=1):
            pass


def test_an_argument_that_the_method_does_not_take_is_refused():
    with pytest.raises(TypeError, match='no parameter "passes"'):

        @clean_step(argsinfo={"passes": {"description": "x"}})
        def erase(self, task):
            pass


@pytest.mark.parametrize("argsinfo", [None, {"passes": {"description": "x"}}])
def test_a_parameter_that_may_be_missing_needs_a_default(argsinfo):
    with pytest.raises(TypeError, match='"passes" needs a default'):

        @clean_step(argsinfo=argsinfo)
        def erase(self, task, passes):
            pass


def test_a_method_may_take_whatever_is_described():
    @clean_step(argsinfo={"passes": {"description": "x", "required": True}})
    def erase(self, task, **args):
        pass

    assert erase._baremetal_steps["clean"].argsinfo == {
        "passes": Argument("x", True)
    }
