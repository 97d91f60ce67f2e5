# SPDX-License-Identifier: Apache-2.0
"""Inspections, crashes and a service that does what it likes, in any order.

The conductor is the real one, with registration, leases and takeover; it is
killed at any line of its own or of the driver's code, and another one comes.
Only threads and clocks are played.
"""

from __future__ import annotations

import contextlib
import itertools
import shutil
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
)

import baremetal_backend
from baremetal_backend.conductor.own_nodes import OwnNodes
from baremetal_backend.conductor.periodic.driver_calls import DriverCalls
from baremetal_backend.conductor.waiting_timeouts import WaitingTimeouts
from baremetal_backend.conf.discoverd import DiscoverdSettings
from baremetal_backend.conf.settings import Settings
from baremetal_backend.core.errors import BackendError
from baremetal_backend.core.leases import Busy
from baremetal_backend.core.records import Node
from baremetal_backend.drivers.discoverd import attempt as attempts
from baremetal_backend.drivers.discoverd.errors import NoAnswer
from baremetal_backend.drivers.discoverd.interface import DiscoverdInspect
from baremetal_backend.drivers.discoverd.service import InspectionEquipment
from baremetal_backend.storage import Database, DatabaseOptions, Storage
from baremetal_backend.storage.node_scan import NodeScan
from tests.backend.conductor.test_ownership_machine import Conductor
from tests.backend.drivers.discoverd.site import FOUND
from tests.fakes.blank_database import blank_database
from tests.fakes.inspection_service import FakeInspection, HandPool

NODES = tuple(f"00000000-0000-4000-8000-{n:012d}" for n in range(2))
HAD = {"cpus": 4, "memory_mb": "2048", "capabilities": "boot_mode:bios"}
NODE = NODES[0]
LIMIT = 1800.0
CONTEXT = object()
LOST = NoAnswer("lost", "timeout", may_have_begun=True)

_ROOT = Path(baremetal_backend.__file__).parent
_MORTAL = tuple(
    f"{_ROOT / part}/" for part in ("drivers/discoverd", "conductor")
)


class Killed(BaseException):
    """There is no such process any more."""


class Process(Conductor):
    """A conductor that inspects, from its start to its end."""

    def __init__(self, world, pid):
        self.dead = False
        super().__init__(world, "a", pid, skew=0)
        conf = Settings(
            host="a",
            state_path=str(world.directory),
            database=world.database.options,
            discoverd=world.options,
        )
        self.pool = HandPool()
        self.equipment = InspectionEquipment(
            conf,
            service=world.service,
            pool=self.pool,
            monotonic=lambda: world.now,
        )
        self.interface = DiscoverdInspect(conf, self.equipment)
        registry = self.context.registry
        offered = registry.types["fake-hardware"].interfaces["inspect"]
        offered["discoverd"] = offered["inspector"] = self.interface
        scan = NodeScan(world.database)
        self.manager = DriverCalls(
            self.context,
            self.tasks,
            OwnNodes(scan, registry, lambda *_: True),
            lambda _task: False,
        )
        self.timeouts = WaitingTimeouts(
            lambda name: LIMIT if "inspect_wait" in name else 0,
            lambda: world.now,
        )

    def poll(self):
        self.interface.poll(self.manager, CONTEXT)

    def tick(self):
        self.interface.look_at_due_nodes(self.manager, CONTEXT)

    def work(self):
        self.pool.run()
        for _ in range(3):
            self.tick()
            self.pool.run()

    def end_waits(self):
        self.timeouts.end_waits(self.manager, CONTEXT)


class Inspections(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        path = blank_database(self.directory / "test.sqlite")
        self.database = Database(
            DatabaseOptions(f"sqlite:///{path}", sqlite_synchronous=False)
        )
        self.now = 1_800_000_000.0
        self.storage = Storage(self.database, lambda: self.now)
        self.service = FakeInspection()
        self.service.before = self._asked
        self._pids = itertools.count(100)
        self.process = None
        self.states = {}
        # The service's time when an inspection was asked for.
        self.asked_at = {}
        # Nodes with which the service does not go on.
        self.stuck = set()
        self.uses = {}
        # Requests and writes until now.
        self.effects = 0
        self.renewed_at = 0.0

    @initialize(
        lists=st.booleans(),
        has_times=st.booleans(),
        keeps_data=st.booleans(),
        overwrite=st.booleans(),
    )
    def begin(self, lists, has_times, keeps_data, overwrite):
        self.service.lists = lists
        self.service.has_times = has_times
        self.service.keeps_data = keeps_data
        self.options = DiscoverdSettings(
            enabled=True,
            service_url="http://127.0.0.1:5050",
            overwrite_existing=overwrite,
        )
        self._start()
        registry = self.process.context.registry
        chosen = registry.choose(
            "fake-hardware", "", {"inspect_interface": "discoverd"}
        )
        for uuid in NODES:
            self.states[uuid] = "manageable"
            self.storage.nodes.create(
                Node(
                    uuid=uuid,
                    driver="fake-hardware",
                    provision_state="manageable",
                    properties=HAD,
                    **chosen,
                )
            )

    # -- what is true of every request and of every write ---------------------

    def _asked(self, method, uuid):
        self.effects += 1
        if method == "statuses":
            return
        assert method == "abort" or uuid in self.process.equipment._busy, (
            "a request beside another one about the node"
        )
        if uuid not in self.uses:
            assert self.node(uuid).reservation is None, "a lease is held"

    def written(self, process, node, how):
        if process.dead:
            raise Killed
        self.effects += 1
        before, now = self.states[node.uuid], node.provision_state
        self.states[node.uuid] = now
        if (before, now) == ("inspecting", "manageable"):
            record = self.service.records.get(node.uuid)
            # What the service forgot since it was found finished is fine.
            if record is not None:
                assert record.started_at > self.asked_at[node.uuid], (
                    "a record of another inspection"
                )
                assert record.finished and record.error is None

    # -- help -----------------------------------------------------------------

    def start_of(self, pid):
        return pid if self.process and self.process.pid == pid else None

    def _start(self):
        self.process = None
        self.process = Process(self, next(self._pids))
        self.renewed_at = self.now

    def _pass(self, seconds):
        """Time passes, and the conductor shows that it lives."""
        self.now += seconds
        if self.now - self.renewed_at > 20:
            self.renewed_at = self.now
            self.process.registration._renew()
            self.process.directory.refresh()

    def node(self, uuid):
        return self.storage.nodes.get(uuid)

    def _call(self, method, *args):
        try:
            method(*args)
        except BackendError as error:
            assert error.status in (400, 409, 503), error

    @contextlib.contextmanager
    def _killed(self, when):
        """Let the process live until ``when()``, asked at each line.

        None: for ever. Yields a list that isn't empty if it died.
        """

        def line(frame, event, _arg):
            if event == "line" and when():
                self.process.dead = True
                raise Killed
            return line

        def call(frame, _event, _arg):
            ours = frame.f_code.co_filename.startswith(_MORTAL)
            return line if ours else None

        before, died = sys.gettrace(), []
        if when is not None:
            sys.settrace(call)
        try:
            yield died
        except Killed:
            died.append(self.process)
        finally:
            sys.settrace(before)
        if self.process.dead:
            self.uses.clear()
            self._start()

    def _killed_after(self, lines):
        """Let the process live for so many lines; None: for ever."""
        if lines is None:
            return self._killed(None)
        left = itertools.count(lines, -1)
        return self._killed(lambda: next(left) <= 0)

    def killed_after_effects(self, number):
        """Let it live until so many requests and writes took place."""
        if number is None:
            return self._killed(None)
        until = self.effects + number
        return self._killed(lambda: self.effects >= until)

    # Mostly to the end; else to any line of what is done.
    lives = st.one_of(*[st.none()] * 3, st.integers(1, 800))
    # A number chooses among those for whom there is something to do.
    choice = st.integers(0, 3)

    def _choose(self, number, candidates):
        found = list(candidates)
        return found[number % len(found)] if found else None

    def _in(self, *states):
        return [u for u in NODES if self.states.get(u) in states]

    def _under_way(self):
        """Records with which the service goes on."""
        return [
            record
            for uuid, record in sorted(self.service.records.items())
            if not record.finished and uuid not in self.stuck
        ]

    # -- what goes on ---------------------------------------------------------

    @precondition(lambda self: self._in("manageable", "inspect failed"))
    @rule(which=choice, lives=lives, works=st.booleans())
    def a_client_inspects(self, which, lives, works):
        uuid = self._choose(which, self._in("manageable", "inspect failed"))
        with self._killed_after(lives):
            self.asked_at[uuid] = self.service._now()
            self._call(
                self.process.service.do_provisioning_action, uuid, "inspect"
            )
            if works:
                self.process.tick()
                self.process.work()

    @rule(lives=lives, seconds=st.sampled_from([60, 1, 300]))
    def the_conductor_polls(self, lives, seconds):
        self._pass(seconds)
        with self._killed_after(lives):
            self.process.poll()
            self.process.work()

    @rule(lives=lives, seconds=st.sampled_from([5, 0]))
    def the_conductor_works(self, lives, seconds):
        self._pass(seconds)
        with self._killed_after(lives):
            self.process.tick()
            self.process.work()

    @precondition(lambda self: self._under_way())
    @rule(
        which=choice,
        well=st.sampled_from([True, True, False]),
        steps=st.integers(1, 3),
    )
    def the_service_goes_on(self, which, well, steps):
        record = self._choose(which, self._under_way())
        for _ in range(steps):
            if not record.finished:
                self._advance(record, well)

    def _advance(self, record, well):
        if record.state == "starting":
            self.service.boot(record.uuid)
        elif record.state == "processing":
            # Without data, what it wrote into a node that does not wait any
            # more can't be told from what an operator wrote.
            error = None if well or not self.service.keeps_data else "a hook"
            self.service.finish(record.uuid, error, FOUND)
        elif well:
            self.service.report(record.uuid)
            self._writes(record.uuid)
        else:
            self.service.half_fail(record.uuid)

    def _writes(self, uuid):
        """Over what is there, whoever has the node."""
        node = self.node(uuid)
        new = {name: str(FOUND[name]) for name in ("cpus", "memory_mb")}
        capabilities = f"{node.properties['capabilities']},cpu_vt:true"
        properties = {**node.properties, **new, "capabilities": capabilities}
        self.storage.nodes.change(
            uuid, {"properties": properties}, seen_version=node.version
        )

    # -- what disturbs it -----------------------------------------------------

    @precondition(lambda self: self._in("inspect wait"))
    @rule(which=choice, lives=lives)
    def a_client_aborts(self, which, lives):
        uuid = self._choose(which, self._in("inspect wait"))
        with self._killed_after(lives):
            self._call(
                self.process.service.do_provisioning_action, uuid, "abort"
            )

    @rule(
        what=st.sampled_from(
            ["killed", "taken", "given back", "time limit", "crowd"]
        ),
        uuid=st.sampled_from(NODES),
    )
    def the_conductor_is_disturbed(self, what, uuid):
        process = self.process
        match what:
            case "killed":
                process.dead = True
                self.uses.clear()
                self._start()
            case "taken":
                use = process.tasks.try_exclusive(uuid, "power")
                if not isinstance(use, Busy):
                    use.__enter__()
                    self.uses[uuid] = use
            case "given back":
                self._give_back()
            case "time limit":
                process.end_waits()
                self._pass(LIMIT)
                process.end_waits()
            case "crowd":
                process.tick()
                process.poll()

    def _give_back(self):
        for uuid in list(self.uses):
            self.uses.pop(uuid).__exit__(None, None, None)

    @rule(
        what=st.sampled_from(["forgets", "restarts", "time limit", "late"]),
        which=choice,
    )
    def the_service_misbehaves(self, what, which):
        service = self.service
        match what:
            case "forgets":
                record = self._choose(which, self._under_way())
                if record and record.state != "processing":
                    service.forget(record.uuid)
            case "restarts":
                # What it was about to start is not gone on with.
                for uuid, record in service.records.items():
                    if record.state == "starting":
                        self.stuck.add(uuid)
            case "time limit":
                for record in service.records.values():
                    if not record.finished and record.state != "processing":
                        service._end(record, "Introspection timeout")
            case "late":
                if self._may_write_off():
                    service.begin_late()
        # What begins anew is gone on with.
        self.stuck &= {
            uuid
            for uuid, record in service.records.items()
            if record.state == "starting"
        }

    @rule(
        what=st.sampled_from(["500", "500 late", "lost", "refuses", "away"]),
        uuid=st.sampled_from(NODES),
        method=st.sampled_from(
            ["start", "status", "statuses", "abort", "data"]
        ),
        trouble=st.sampled_from(["unreachable", "timeout"]),
    )
    def an_answer_is_not_what_it_should_be(self, what, uuid, method, trouble):
        match what:
            case "500" | "500 late" if self._tells_enough():
                later = what == "500 late"
                self.service.answer_500_and_start(later=later)
            case "lost" if method != "start" or self._tells_enough():
                self.service.fail_next(method, LOST)
            case "refuses":
                self.service.refuse_next_start(uuid)
            case "away":
                self.service.go_down(trouble)

    def _tells_enough(self):
        """Whether its record can always be told from the one before."""
        return self.service.has_times or self.service.keeps_data

    def _may_write_off(self):
        """Whether it may replace its records.

        What it wrote for an inspection that it began anew, and of which it
        keeps nothing, can't be told from what an operator wrote once the node
        waits no more.
        """
        records = self.service.records.values()
        return not any(record.state == "processing" for record in records)

    @precondition(lambda self: self.service._outage)
    @rule()
    def the_service_comes_back(self):
        self.service.come_back()

    # -- what must come of it -------------------------------------------------

    def _calm(self):
        """Nothing is spoiled any more, and nobody has a node."""
        self.service.come_back()
        self.service._failures.clear()
        self._give_back()

    def _look_after(self, times):
        for _ in range(times):
            self._pass(400)
            self.process.poll()
            for _ in range(3):
                self._pass(5)
                self.process.tick()
                self.process.work()

    @precondition(lambda self: self._in("inspect wait"))
    @rule(which=choice)
    def what_the_service_finishes_well_ends_manageable(self, which):
        uuid = self._choose(which, self._in("inspect wait"))
        node, record = self.node(uuid), self.service.records.get(uuid)
        attempt = attempts.at(node)
        if record is None or not attempt.owns(self.service._shown(record)):
            return
        if record.finished and record.error:
            return
        self._calm()
        if not record.finished:
            self._writes(uuid)
            self.service.finish(uuid, data=FOUND)
        self.stuck.discard(uuid)
        self._look_after(2)
        assert self.node(uuid).provision_state == "manageable"

    def teardown(self):
        try:
            if self.process is not None:
                self._come_to_rest()
        finally:
            self.database.close()
            shutil.rmtree(self.directory)

    def _come_to_rest(self):
        self._calm()
        for record in self._under_way():
            if record.state == "processing":
                self.service.finish(record.uuid, data=FOUND)
        self._look_after(1)
        self.service.begin_late()
        self._look_after(1)
        self.process.end_waits()
        self._pass(LIMIT)
        self.process.end_waits()
        self._look_after(1)
        # What the service never ends by itself, its own time limit does.
        self.service.time_out()
        self._look_after(3)
        for uuid in NODES:
            node = self.node(uuid)
            assert node.provision_state in ("manageable", "inspect failed")
            assert node.reservation is None
            assert node.driver_internal_info == {}
            if node.provision_state == "inspect failed":
                assert node.last_error
            if not self.options.overwrite_existing:
                now = node.properties
                assert (now["cpus"], now["memory_mb"]) == (4, "2048")
                assert now["capabilities"].startswith("boot_mode:bios")


TestInspections = Inspections.TestCase
TestInspections.settings = settings(
    max_examples=25,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
)


# -- each line ----------------------------------------------------------------
#
# What was in memory is lost, so that lines with the same requests and writes
# before them are all the same: one of them stands for each.


@pytest.fixture
def world():
    found = Inspections()
    found.begin(lists=True, has_times=True, keeps_data=True, overwrite=False)
    yield found
    found.teardown()


def begin(world, lives=None):
    """Somebody inspects, and the service is asked; whether it died of it."""
    world.asked_at[NODE] = world.service._now()
    with world.killed_after_effects(lives) as died:
        world.process.service.do_provisioning_action(NODE, "inspect")
        world.process.tick()
        world.process.work()
    return bool(died)


def end(world, lives=None):
    """The service has finished, and a poll finds that out."""
    if not world.service.records[NODE].finished:
        world._writes(NODE)
        world.service.finish(NODE, data=FOUND)
    return poll(world, lives)


def poll(world, lives=None):
    world._pass(60)
    with world.killed_after_effects(lives) as died:
        world.process.poll()
        world.process.work()
    return bool(died)


def is_whole(node):
    assert node.driver_internal_info == {}
    had, now = HAD, node.properties
    assert now["cpus"] == had["cpus"]
    assert now["memory_mb"] == had["memory_mb"]
    assert now["capabilities"].startswith(had["capabilities"])


def test_a_conductor_may_die_at_each_line_of_a_start(world):
    for effects in itertools.count():
        if not begin(world, effects):
            break
        before = world.service.count("start")
        world._look_after(1)
        node = world.node(NODE)
        if node.provision_state == "inspect wait":
            assert attempts.at(node).answered
            assert world.service.count("start") - before <= 1
            end(world)
            assert world.node(NODE).provision_state == "manageable"
        elif effects:
            # It died before the node waited.
            assert node.provision_state == "inspect failed"
            assert "stopped" in node.last_error
        else:
            assert node.provision_state == "manageable"
        is_whole(world.node(NODE))
    assert effects > 6


def test_a_conductor_may_die_at_each_line_of_an_end(world):
    died_late = 0
    for effects in itertools.count():
        begin(world)
        if not end(world, effects):
            break
        world._look_after(2)
        node = world.node(NODE)
        if node.provision_state != "manageable":
            # It died when the node did not wait any more.
            died_late += 1
            assert node.provision_state == "inspect failed"
            assert "stopped" in node.last_error
        is_whole(node)
    assert effects > 6
    assert died_late <= 2


def test_a_conductor_may_die_at_each_line_of_a_clean_up(world):
    for effects in itertools.count():
        begin(world)
        world.service.boot(NODE)
        node = world.node(NODE)
        world.process.manager.fail(NODE, "too late", seen=node)
        if not poll(world, effects):
            break
        world._look_after(2)
        assert world.service.records[NODE].error == "Canceled by operator"
        is_whole(world.node(NODE))
    assert effects > 3
