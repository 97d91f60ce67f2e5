# SPDX-License-Identifier: Apache-2.0
"""The equipment refuses what can't work, and keeps work on nodes apart."""

from __future__ import annotations

import dataclasses
import functools
import logging
import subprocess
import sys
import threading

import pytest

from baremetal_backend.conf.discoverd import DiscoverdSettings
from baremetal_backend.conf.settings import ConfigurationError, Settings
from baremetal_backend.drivers.discoverd.errors import NoAnswer
from baremetal_backend.drivers.discoverd.service import InspectionEquipment
from baremetal_backend.storage import DatabaseOptions
from lab.inspection.scripted import Answer, ScriptedInspection
from tests.backend.drivers.discoverd.over_http import PATIENT
from tests.fakes.bmc import Clock
from tests.fakes.inspection_service import FakeInspection, HandPool

SETTINGS = Settings("h", "/tmp", DatabaseOptions("sqlite://"))
NODE, OTHER = "node-1", "node-2"
LOGGER = "baremetal_backend.drivers.discoverd.service"


def settings(**options) -> Settings:
    given = {"enabled": True, **PATIENT, **options}
    return dataclasses.replace(SETTINGS, discoverd=DiscoverdSettings(**given))


@pytest.fixture
def service():
    with ScriptedInspection() as scripted:
        yield scripted


@pytest.fixture
def started():
    """Makes equipment, starts it, and stops it after the test."""
    made = []

    def start(**options) -> InspectionEquipment:
        made.append(InspectionEquipment(settings(**options)))
        made[-1].start()
        return made[-1]

    yield start
    for one in made:
        one.stop()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def pool():
    return HandPool()


@pytest.fixture
def equipment(clock, pool):
    return InspectionEquipment(
        settings(service_url="http://127.0.0.1:5050/v1"),
        service=FakeInspection(),
        pool=pool,
        monotonic=clock,
    )


def no_answer(trouble="unreachable") -> NoAnswer:
    return NoAnswer("It does not answer.", trouble, False)


class TestStart:
    def test_enabled_without_an_address_is_refused(self, started):
        with pytest.raises(ConfigurationError) as refused:
            started()
        assert str(refused.value) == (
            "[discoverd]service_url: is missing, while [discoverd]enabled is "
            "true; write where the inspection service answers, such as "
            "http://127.0.0.1:5050/v1."
        )

    def test_enabled_without_the_library_is_refused(
        self, service, started, monkeypatch
    ):
        monkeypatch.setitem(sys.modules, "ironic_inspector_client", None)
        with pytest.raises(ConfigurationError) as refused:
            started(service_url=service.url)
        said = str(refused.value)
        assert said.startswith("[discoverd]enabled: ")
        assert "ironic_inspector_client" in said
        assert "pip install 'nova-ironic-partition[inspection]'" in said

    @pytest.mark.parametrize("versions", [("0.1", "0.9"), ("2.0", "2.0")])
    def test_too_old_a_service_is_refused(self, started, versions):
        with (
            ScriptedInspection(versions) as service,
            pytest.raises(ConfigurationError) as refused,
        ):
            started(service_url=service.url)
        said = str(refused.value)
        assert said.startswith("[discoverd]service_url: The inspection serv")
        assert f"speaks versions {versions[0]} to {versions[1]}" in said
        assert "Upgrade the service, or set [discoverd]enabled" in said

    @pytest.mark.parametrize("option", ["cafile", "certfile", "keyfile"])
    def test_a_file_that_is_not_there_is_refused(
        self, service, started, option
    ):
        with pytest.raises(ConfigurationError) as refused:
            started(service_url=service.url, **{option: "/nowhere"})
        assert str(refused.value) == (
            f"[discoverd]{option}: /nowhere can't be read."
        )

    def test_a_service_that_is_down_is_waited_for(
        self, service, started, caplog
    ):
        service.stop()
        equipment = started(service_url=service.url)
        lines = [r for r in caplog.records if r.name == LOGGER]
        assert [one.levelname for one in lines] == ["WARNING"]
        assert "can't be reached: Connection refused." in lines[0].message
        assert not equipment.may_poll()

    def test_a_service_that_lets_nobody_in_is_waited_for(
        self, service, started, caplog
    ):
        service.account = ("inspector", "secret")
        started(service_url=service.url)
        assert "does not let this service in" in caplog.text

    def test_a_service_that_hangs_is_waited_for(self, service, started):
        service.say("GET /v1", Answer(200, {}, after=30))
        equipment = started(service_url=service.url, request_timeout=0.5)
        assert not equipment.may_poll()

    def test_a_good_service_is_asked_twice_and_nothing_is_said(
        self, service, started, caplog
    ):
        equipment = started(service_url=service.url)
        assert equipment.may_poll()
        assert [one.path for one in service.requests] == [
            "/v1",
            "/v1/introspection",
        ]
        assert [r for r in caplog.records if r.name == LOGGER] == []

    def test_disabled_nothing_runs_and_nobody_is_asked(self, service, started):
        before = threading.active_count()
        equipment = started(enabled=False, service_url=service.url)
        assert threading.active_count() == before
        assert service.requests == []
        assert list(equipment.figures()) == []
        with pytest.raises(NoAnswer, match="enabled"):
            equipment.service.status(NODE)

    def test_disabled_nothing_is_loaded(self):
        code = (
            "import sys\n"
            "import baremetal_backend.drivers.discoverd.service\n"
            "assert 'ironic_inspector_client' not in sys.modules\n"
            "assert 'baremetal_backend.drivers.discoverd.client' "
            "not in sys.modules\n"
        )
        subprocess.run([sys.executable, "-c", code], check=True, timeout=60)

    def test_threads_have_names_and_end(self, service, started):
        def names():
            return sorted(
                one.name
                for one in threading.enumerate()
                if one.name.startswith("baremetal-discoverd-")
            )

        equipment = started(service_url=service.url, max_parallel_requests=2)
        assert names() == ["baremetal-discoverd-0", "baremetal-discoverd-1"]
        equipment.stop()
        assert names() == []


class TestWork:
    def test_a_node_is_never_worked_on_twice_at_a_time(self, equipment, pool):
        done = []
        assert equipment.begin(NODE, lambda: done.append("first"))
        assert not equipment.begin(NODE, lambda: done.append("second"))
        assert equipment.begin(OTHER, lambda: done.append("other"))
        pool.run()
        assert done == ["first", "other"]
        assert equipment.begin(NODE, lambda: done.append("third"))

    def test_work_that_fails_is_logged_and_ends_nothing_else(
        self, equipment, pool, caplog
    ):
        done = []
        equipment.begin(NODE, lambda: 1 / 0)
        equipment.begin(OTHER, lambda: done.append(OTHER))
        pool.run()
        assert done == [OTHER]
        assert f"Inspection of node {NODE} hit a fault." in caplog.text
        assert "ZeroDivisionError" in caplog.text
        assert equipment.begin(NODE, lambda: None)

    def test_after_the_stop_nothing_begins(self, equipment):
        equipment.stop()
        assert not equipment.begin(NODE, lambda: None)
        equipment.mark_due(NODE)
        assert not equipment.take_due()

    def test_work_may_mark_its_own_node(self, equipment, pool, clock):
        equipment.begin(NODE, lambda: equipment.mark_due(NODE, 1.0))
        pool.run()
        assert list(equipment.take_due()) == []
        clock.now += 1
        assert list(equipment.take_due()) == [NODE]

    def test_fifty_nodes_start_at_once_and_each_of_them_once(
        self, service, started, caplog
    ):
        equipment = started(service_url=service.url, max_parallel_requests=16)
        left = threading.Semaphore(0)
        nodes = [f"node-{number}" for number in range(50)]

        def start(uuid):
            equipment.service.start(uuid)
            assert equipment.service.status(uuid) is not None
            left.release()

        for uuid in nodes:
            assert equipment.begin(uuid, functools.partial(start, uuid))
        for _ in nodes:
            assert left.acquire(timeout=60)
        posts = [one.path.split("/")[-1] for one in service.asked("POST")]
        assert sorted(posts) == sorted(nodes)
        loud = [r for r in caplog.records if r.levelno >= logging.WARNING]
        assert loud == []


class TestDueList:
    def test_a_node_is_due_when_its_time_has_come_and_once(
        self, equipment, clock
    ):
        equipment.mark_due(NODE, 5.0)
        equipment.mark_due(OTHER)
        assert list(equipment.take_due()) == [OTHER]
        clock.now += 5
        assert list(equipment.take_due()) == [NODE]
        assert list(equipment.take_due()) == []

    @pytest.mark.parametrize("marks", [(2.0, 60.0), (60.0, 2.0)])
    def test_the_earlier_mark_counts(self, equipment, clock, marks):
        for after in marks:
            equipment.mark_due(NODE, after)
        clock.now += 2
        assert list(equipment.take_due()) == [NODE]
        clock.now += 60
        assert list(equipment.take_due()) == []

    def test_a_node_that_is_worked_on_stays_due(self, equipment, pool):
        equipment.begin(NODE, lambda: None)
        equipment.mark_due(NODE)
        assert list(equipment.take_due()) == []
        pool.run()
        assert list(equipment.take_due()) == [NODE]


class TestAvailability:
    def test_one_warning_and_one_all_clear(self, equipment, clock, caplog):
        caplog.set_level(logging.INFO, LOGGER)
        for _ in range(4):
            equipment.unheard(no_answer(), waiting=3)
            clock.now += 400
        equipment.heard()
        equipment.heard()
        assert [one.levelname for one in caplog.records] == ["WARNING", "INFO"]
        assert "3 nodes wait for it" in caplog.messages[0]
        assert caplog.messages[1] == (
            "The inspection service at http://127.0.0.1:5050/v1 answers "
            "again, 1600 s after it stopped to."
        )

    def test_polls_pause_and_an_answer_ends_the_pause(self, equipment):
        equipment.unheard(no_answer())
        assert not equipment.may_poll()
        assert 48 <= equipment.seconds_to_wait() <= 57
        equipment.heard()
        assert equipment.may_poll()
        assert equipment.seconds_to_wait() == 0

    def test_pauses_follow_the_period_that_is_set_now(self, equipment, clock):
        equipment.reload(settings(status_check_period=5))
        equipment.unheard(no_answer())
        assert equipment.seconds_to_wait() < 5

    def test_without_polls_pauses_are_those_of_the_default(self, equipment):
        equipment.reload(settings(status_check_period=0))
        equipment.unheard(no_answer())
        assert 48 <= equipment.seconds_to_wait() <= 57


class TestFigures:
    def test_work_and_trouble_are_shown(self, equipment, pool):
        equipment.begin(NODE, lambda: None)
        equipment.mark_due(OTHER)
        equipment.unheard(no_answer())
        values = {one.name: one.values[0][1] for one in equipment.figures()}
        assert values == {
            "discoverd_trouble": 1.0,
            "discoverd_busy": 1.0,
            "discoverd_due": 1.0,
        }

    def test_requests_are_shown_by_their_ends(self, service, started):
        equipment = started(service_url=service.url)
        equipment.service.start(NODE)
        figures = {one.name: dict(one.values) for one in equipment.figures()}
        assert figures["discoverd_requests"]["start", "answer"] == 1
        assert figures["discoverd_requests"]["start", "refusal"] == 0
        assert figures["discoverd_request_seconds"]["start",] > 0
        assert figures["discoverd_trouble"][()] == 0
