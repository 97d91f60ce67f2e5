# SPDX-License-Identifier: Apache-2.0
"""Which methods become periodic tasks, once each."""

from __future__ import annotations

import subprocess
import sys

import pytest
from futurist import periodics
from oslo_service import periodic_task

from baremetal_backend.conductor.periodic.collect import (
    collect,
    describe,
    plan,
)
from baremetal_backend.conf.settings import ConfigurationError, Settings
from baremetal_backend.core.schedule import Overrun
from baremetal_backend.drivers import base
from baremetal_backend.drivers.loader import build
from baremetal_backend.drivers.periodics import (
    driver_periodic_task,
    node_periodic,
)
from baremetal_backend.storage import DatabaseOptions

SETTINGS = Settings("me", "/nowhere", DatabaseOptions("sqlite://"))


class Raid(base.RaidInterface):
    """Has a task of each kind."""

    name = "first"

    @driver_periodic_task(spacing=30)
    def refresh(self, manager, context): ...

    @node_periodic("poll raid jobs", spacing=10)
    def poll(self, task, manager, context): ...

    @periodics.periodic(spacing=42)
    def from_futurist(self, manager, context): ...

    @periodic_task.periodic_task(spacing=7, run_immediately=True)
    def from_oslo_service(self, context): ...

    def not_a_task(self): ...

    @property
    def trap(self):
        raise AssertionError("a property was read")


def registry(**types):
    """A registry of hardware types, each with raid interfaces."""
    return build(
        {
            name: type(
                name,
                (base.AbstractHardwareType,),
                {"interfaces": {"raid": classes}},
            )
            for name, classes in types.items()
        },
        SETTINGS,
    )


def names(found) -> list[str]:
    return [one.name for one in found]


def test_all_marks_are_found():
    found = {one.name: one for one in collect(registry(one=(Raid,)))}
    assert sorted(found) == [
        "raid.first.from_futurist",
        "raid.first.from_oslo_service",
        "raid.first.poll",
        "raid.first.refresh",
    ]
    assert found["raid.first.poll"].nodes.purpose == "poll raid jobs"
    assert found["raid.first.from_futurist"].task.spacing == 42
    assert found["raid.first.from_futurist"].task.run_immediately is False
    assert found["raid.first.from_oslo_service"].task.run_immediately is True
    context_only = {n for n, one in found.items() if one.context_only}
    assert context_only == {"raid.first.from_oslo_service"}
    assert all(one.task.parallel for one in found.values())


def test_hardware_types_that_share_an_implementation_share_its_tasks():
    shared = registry(one=(Raid,), two=(Raid,), three=(Raid,))
    assert names(collect(shared)) == names(collect(registry(one=(Raid,))))
    (poll,) = [one for one in collect(shared) if one.nodes]
    assert poll.users == {
        ("one", "first"),
        ("two", "first"),
        ("three", "first"),
    }


def test_an_inherited_task_belongs_to_each_implementation_with_its_nodes():
    class Second(Raid):
        name = "second"

    found = collect(registry(one=(Raid, Second)))
    polls = {one.name: one for one in found if one.nodes}
    assert polls["raid.first.poll"].users == {("one", "first")}
    assert polls["raid.second.poll"].users == {("one", "second")}
    assert polls["raid.first.poll"].interface is not (
        polls["raid.second.poll"].interface
    )


def test_an_override_without_a_mark_switches_the_task_off():
    class Quiet(Raid):
        name = "quiet"

        def refresh(self, manager, context): ...

    assert "raid.quiet.refresh" not in names(collect(registry(one=(Quiet,))))


def test_a_method_with_two_names_counts_once():
    class Twice(base.RaidInterface):
        name = "twice"

        @driver_periodic_task(spacing=1)
        def work(self, manager, context): ...

        alias = work

    assert len(collect(registry(one=(Twice,)))) == 1


def test_an_interface_with_two_names_has_each_task_once():
    class Renamed(Raid):
        name = "new"
        aliases = ("old",)

    found = collect(registry(one=(Renamed,), two=(Renamed,)))
    polls = [one for one in found if one.nodes]
    assert [one.name for one in polls] == ["raid.new.poll"]
    assert polls[0].users == {
        ("one", "new"), ("one", "old"), ("two", "new"), ("two", "old")
    }  # fmt: skip


def test_two_owners_of_the_same_nodes_are_refused():
    class Eager(Raid):
        name = "eager"

        @node_periodic("poll raid jobs", spacing=5)
        def poll_faster(self, task, manager, context): ...

    with pytest.raises(ConfigurationError) as caught:
        collect(registry(one=(Eager,)))
    assert str(caught.value) == (
        "[DEFAULT]enabled_hardware_types: raid.eager.poll and "
        'raid.eager.poll_faster would both "poll raid jobs" for nodes of one '
        "with raid_interface eager; one of the two has to go, or to say "
        "another purpose."
    )


def test_implementations_with_the_same_name_are_told_apart():
    class Other(base.RaidInterface):
        name = "first"

        @driver_periodic_task(spacing=1)
        def refresh(self, manager, context): ...

    found = names(collect(registry(one=(Raid,), two=(Other,))))
    assert len(set(found)) == len(found)
    assert sum(name.startswith("raid.first.refresh@") for name in found) == 2


def test_class_methods_and_static_methods_are_found():
    class Odd(base.RaidInterface):
        name = "odd"

        @classmethod
        @driver_periodic_task(spacing=1)
        def of_class(cls, manager, context):
            return cls, manager

        @staticmethod
        @driver_periodic_task(spacing=1)
        def static(manager, context):
            return manager

    of_class, static = collect(registry(one=(Odd,)))
    assert of_class.method("manager", None) == (Odd, "manager")
    assert static.method("manager", None) == "manager"


def test_the_conductors_own_tasks_are_found():
    class Own:
        @driver_periodic_task(spacing=1, parallel=False)
        def tidy_up(self, manager, context): ...

    (found,) = collect(registry(one=()), [Own()])
    assert found.name == "conductor.tidy_up"
    assert found.task.parallel is False


@pytest.mark.parametrize(
    ("marker", "spacing", "enabled"),
    [
        (periodics.periodic(spacing=3), 3, True),
        (periodics.periodic(spacing=3, enabled=False), 3, False),
        (periodics.periodic(spacing=-1, enabled=False), -1, False),
        (periodic_task.periodic_task(spacing=3), 3, True),
        (periodic_task.periodic_task(spacing=-1), -1, False),
        (periodic_task.periodic_task(spacing=0), 60, True),
        (periodic_task.periodic_task, 60, True),
        (periodic_task.periodic_task(spacing=3, enabled=False), 3, False),
    ],
)
def test_foreign_marks_mean_what_their_libraries_say(marker, spacing, enabled):
    class Foreign(base.RaidInterface):
        name = "foreign"

        @marker
        def work(self, *arguments): ...

    (found,) = collect(registry(one=(Foreign,)))
    assert (found.task.spacing, found.task.enabled) == (spacing, enabled)


def test_the_collector_imports_neither_futurist_nor_oslo_service():
    script = (
        "import sys\n"
        "import baremetal_backend.conductor.periodic.scheduler\n"
        "import baremetal_backend.conductor.periodic.collect\n"
        "print([m for m in ('futurist', 'oslo_service') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == "[]"


# -- options ------------------------------------------------------------------


def found_with(**arguments):
    class Some(base.RaidInterface):
        name = "some"

        @driver_periodic_task(**arguments)
        def work(self, manager, context): ...

    (found,) = collect(registry(one=(Some,)))
    return found


def test_options_are_looked_up_by_name():
    found = found_with(
        spacing="my.interval",
        enabled="my.enabled",
        run_immediately=True,
        overrun=Overrun.QUEUE_ONE,
        jitter=0.5,
    )
    seen = plan(found, {"my.interval": 12, "my.enabled": True}.__getitem__)
    assert (seen.spacing, seen.enabled, seen.jitter) == (12.0, True, 0.5)
    assert (seen.run_immediately, seen.overrun) == (True, Overrun.QUEUE_ONE)


@pytest.mark.parametrize(
    ("interval", "switch", "enabled"),
    [
        (12, True, True),
        (12, False, False),
        (0, True, False),
        (-1, True, False),
    ],
)
def test_an_interval_of_0_or_less_switches_a_task_off(
    interval, switch, enabled
):
    found = found_with(spacing="my.interval", enabled="my.enabled")
    options = {"my.interval": interval, "my.enabled": switch}
    assert plan(found, options.__getitem__).enabled is enabled


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (
            {},
            "[my]interval: periodic task raid.some.work needs this option, "
            "which nobody declared.",
        ),
        (
            {"my.interval": "often"},
            "[my]interval: periodic task raid.some.work needs a number of "
            'seconds, not "often".',
        ),
        (
            {"my.interval": True},
            "[my]interval: periodic task raid.some.work needs a number of "
            'seconds, not "True".',
        ),
    ],
)
def test_an_option_that_does_not_fit_is_said_with_its_name(options, complaint):
    with pytest.raises(ConfigurationError) as caught:
        plan(found_with(spacing="my.interval"), options.__getitem__)
    assert str(caught.value) == complaint


# -- at run time --------------------------------------------------------------


def test_what_is_added_later_has_to_carry_a_mark():
    def plain(manager, context): ...

    with pytest.raises(ValueError, match="carries no mark"):
        describe(plain, registry(one=()))


def test_a_node_task_that_is_added_later_belongs_to_an_enabled_interface():
    with pytest.raises(ValueError, match="not a method of an enabled one"):
        describe(Raid(SETTINGS).poll, registry(one=()))


def test_a_function_may_be_added():
    @driver_periodic_task(spacing=5)
    def refresh(manager, context): ...

    found = describe(refresh, registry(one=()))
    assert found.method is refresh
    assert found.name.endswith("refresh")
