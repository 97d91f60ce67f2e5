# SPDX-License-Identifier: Apache-2.0
"""Leases, crashes, pauses, takeovers and time, in any order.

Three conductors work on one real database with the real task manager, the
real registration and the real takeover. Only threads and clocks are played:
work runs until its next pause, and goes on when its conductor's turn comes. A
conductor may die, be stopped and go on, or be started anew at any moment.
"""

from __future__ import annotations

import contextlib
import itertools
import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
)

from baremetal_backend.conductor import continuation, registration, takeover
from baremetal_backend.conductor.held_node import Surroundings
from baremetal_backend.conductor.parts import Context
from baremetal_backend.conductor.service import ConductorService
from baremetal_backend.conductor.task import TaskManager
from baremetal_backend.conf.settings import (
    ConductorSettings,
    FakeSettings,
    Settings,
)
from baremetal_backend.core.errors import BackendError, LeaseLost
from baremetal_backend.core.leases import Busy
from baremetal_backend.core.processes import ProcessIdentity
from baremetal_backend.core.records import Node
from baremetal_backend.core.states import STATES, Kind
from baremetal_backend.drivers.fake.hardware import FakeHardware
from baremetal_backend.drivers.loader import build
from baremetal_backend.rpc.directory import Directory
from baremetal_backend.storage import (
    Changed,
    Database,
    DatabaseOptions,
    Storage,
)
from tests.fakes.blank_database import blank_database
from tests.fakes.lanes import InlineLanes

HOSTS = ("a", "b", "c")
NODES = tuple(f"00000000-0000-4000-8000-{n:012d}" for n in range(2))
VERBS = ("active", "rebuild", "deleted", "manage", "provide", "rescue")
TIMEOUT = 60.0
CONDUCTOR = ConductorSettings(
    node_locked_retry_attempts=0,
    node_locked_retry_interval=0.0,
    background_lease_limit=0.0,
    stalled_work_timeout=100.0,
    heartbeat_interval=10,
    heartbeat_timeout=int(TIMEOUT),
)


class Turns:
    """A timer whose calls are made when the machine says so."""

    def __init__(self):
        self.due = []

    def call_later(self, seconds, call):
        self.due.append(call)


class Conductor:
    """One process from its start to its end."""

    def __init__(self, world, host, pid, skew):
        self.world, self.host, self.pid = world, host, pid
        self.stopped = False
        self.polls = []
        self.storage = Storage(world.database, lambda: world.now + skew)
        self._watch_writes()
        conf = Settings(
            host=host,
            state_path=str(world.directory),
            database=world.database.options,
            rpc_transport="oslo",
            conductor=CONDUCTOR,
            fake=FakeSettings(
                delays=dict.fromkeys(("power", "deploy", "rescue"), (1.0, 1.0))
            ),
        )
        registry = build({"fake-hardware": FakeHardware}, conf)
        self.registration = registration.Registration(
            registration.Surroundings(
                settings=conf,
                storage=self.storage,
                registry=registry,
                process=ProcessIdentity("boot", "space", pid, pid),
                start_of=world.start_of,
                clock=lambda: world.now + skew,
                monotonic=lambda: world.now,
            )
        )
        self.timer = Turns()
        self.tasks = TaskManager(
            Surroundings(
                identity=self.registration.holder,
                check_active=self.registration.check_active,
                configured=lambda: CONDUCTOR,
                storage=self.storage,
                registry=registry,
                lanes=InlineLanes(),
                timer=self.timer,
                clock=lambda: world.now + skew,
                monotonic=lambda: world.now,
            )
        )
        self.context = Context(
            configured=lambda: conf,
            storage=self.storage,
            registry=registry,
            tasks=self.tasks,
            clock=lambda: world.now + skew,
            sleep=lambda _seconds: None,
            started_at="2026-01-01T00:00:00+00:00",
        )
        self.service = ConductorService(self.context)
        self.directory = Directory(
            self.storage.conductors,
            TIMEOUT,
            own=self.registration.holder,
            clock=lambda: world.now + skew,
            monotonic=lambda: world.now,
        )
        self.takeover = takeover.Takeover(
            takeover.Surroundings(
                host=host,
                storage=self.storage,
                directory=self.directory,
                again=self._again,
                active=lambda: self.registration.active,
                clock=lambda: world.now + skew,
            )
        )
        self.registration.after_beat = self.tasks.watch
        self.registration.silent_nodes = lambda: tuple(
            one.node_uuid for one in self.tasks.stalled()
        )
        self.registration.on_lost = self.tasks.let_go
        self.directory.on_look = self.takeover.end_silent
        self.registration.register()
        self.directory.refresh()
        self.takeover.sweep()

    def _again(self, node):
        self.tasks.spawn_after(
            node.uuid, continuation.again(self.context, node)
        )

    def _watch_writes(self):
        real = self.storage.nodes.change_in

        def watched(connection, uuid, changes, **how):
            result = real(connection, uuid, changes, **how)
            if isinstance(result, Changed):
                self.world.written(self, result.record, how)
            return result

        self.storage.nodes.change_in = watched


class Ownership(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        path = blank_database(self.directory / "test.sqlite")
        self.database = Database(
            DatabaseOptions(f"sqlite:///{path}", sqlite_synchronous=False)
        )
        self.now = 1_800_000_000.0
        self.alive = {}
        self._pids = itertools.count(100)
        # Who took a lease, and which lease a node was last written with.
        self.owners = {}
        self.latest = {}
        self.ended = set()
        first = Storage(self.database, lambda: self.now)
        self.storage = first
        for host in HOSTS:
            self._start(host, 0)
        registry = self.alive["a"].context.registry
        chosen = registry.choose("fake-hardware", "", {})
        for uuid in NODES:
            first.nodes.create(
                Node(
                    uuid=uuid,
                    driver="fake-hardware",
                    provision_state="available",
                    **chosen,
                )
            )

    # -- what is true of every write ------------------------------------------

    def written(self, conductor, node, how):
        lease, token = how.get("lease"), node.lease_token
        key = (node.uuid, token)
        if lease is not None and lease.get("reservation") is not None:
            assert key not in self.owners, "a token is given out once"
            self.owners[key] = conductor.pid
        if how.get("token") is not None or lease is not None:
            assert token >= self.latest.get(node.uuid, 0), "an older lease"
            assert key not in self.ended, "a lease that had ended"
            self.latest[node.uuid] = token
        if how.get("token") is not None and lease is None:
            assert how["token"] == token
            assert self.owners[key] == conductor.pid, "another's lease"
        ends = lease is not None and lease.get("reservation") is None
        if ends and key in self.owners:
            self.ended.add(key)

    @invariant()
    def a_reservation_is_a_lease_and_a_lease_a_reservation(self):
        leases = {one.node_uuid: one for one in self.storage.leases.all()}
        columns = ("uuid", "reservation", "lease_token")
        for uuid, reservation, token in self.storage.nodes.page(columns):
            lease = leases.get(uuid)
            assert (reservation is None) == (lease is None)
            if lease is not None:
                assert (lease.holder, lease.token) == (reservation, token)

    @invariant()
    def no_conductor_that_may_act_was_declared_gone(self):
        gone = {
            row.incarnation
            for row in self.storage.conductors.beats()
            if row.state == "gone"
        }
        for one in self.alive.values():
            if one.registration.active:
                assert one.registration.holder().incarnation not in gone

    # -- what happens ---------------------------------------------------------

    def start_of(self, pid):
        known = {one.pid for one in self.alive.values()}
        return pid if pid in known else None

    def _start(self, host, skew):
        self.alive[host] = Conductor(self, host, next(self._pids), skew)

    def _acting(self, but=None):
        return [
            one
            for host, one in sorted(self.alive.items())
            if not one.stopped and one is not but
        ]

    def _call(self, method, *args):
        try:
            method(*args)
        except BackendError as error:
            assert error.status in (400, 403, 404, 409, 503), error

    # Numbers choose among those for whom there is something to do.
    choice = st.integers(0, 11)

    def _choose(self, number, candidates):
        found = list(candidates)
        return found[number % len(found)] if found else None

    @rule(
        which=choice, node=st.sampled_from(NODES), verb=st.sampled_from(VERBS)
    )
    def a_client_asks_for_a_verb(self, which, node, verb):
        if one := self._choose(which, self._acting()):
            self._call(one.service.do_provisioning_action, node, verb)

    @rule(which=choice, node=st.sampled_from(NODES))
    def a_client_switches_a_node(self, which, node):
        if one := self._choose(which, self._acting()):
            self._call(one.service.change_node_power_state, node, "rebooting")

    @rule(which=choice, turns=st.integers(1, 4))
    def work_goes_on(self, which, turns):
        one = self._choose(which, (o for o in self._acting() if o.timer.due))
        for _ in range(turns):
            if one is not None and one.timer.due:
                one.timer.due.pop(0)()

    @rule(which=choice, node=st.sampled_from(NODES))
    def background_work_begins(self, which, node):
        if one := self._choose(which, self._acting()):
            use = one.tasks.try_exclusive(node, "poll")
            if not isinstance(use, Busy):
                one.polls.append((use, use.__enter__()))

    @rule(which=choice, ends=st.booleans())
    def background_work_goes_on(self, which, ends):
        one = self._choose(which, (o for o in self._acting() if o.polls))
        if one is None:
            return
        use, task = one.polls.pop(0)
        with contextlib.suppress(LeaseLost):
            task.save(extra={"polled at": self.now})
        if ends:
            use.__exit__(None, None, None)
        else:
            one.polls.append((use, task))

    @rule(which=choice, node=st.sampled_from(NODES))
    def somebody_looks_without_taking(self, which, node):
        if one := self._choose(which, self._acting()):
            look = one.tasks.shared(node)
            self._call(lambda: look.save(extra={"seen at": self.now}))

    @rule(which=choice, lock=choice)
    def an_administrator_breaks_a_lock(self, which, lock):
        one = self._choose(which, self._acting())
        lease = self._choose(lock, self.storage.leases.all())
        if one is not None and lease is not None:
            self._call(one.service.break_lock, lease.node_uuid, "test")

    @rule(which=choice, lock=choice)
    def a_locked_node_changes_hands(self, which, lock):
        """Its holder does not hear of it."""
        lease = self._choose(lock, self.storage.leases.all())
        holder = lease and self.alive.get(lease.holder)
        one = self._choose(which, self._acting(but=holder))
        if one is None or lease is None:
            return
        self._call(one.service.break_lock, lease.node_uuid, "test")
        use = one.tasks.try_exclusive(lease.node_uuid, "poll")
        if not isinstance(use, Busy):
            one.polls.append((use, use.__enter__()))

    @rule(which=choice)
    def a_conductor_renews_its_record(self, which):
        if one := self._choose(which, self._acting()):
            one.registration._renew()

    @rule(which=choice)
    def a_conductor_looks_around(self, which):
        if one := self._choose(which, self._acting()):
            one.directory.refresh()
            one.takeover.sweep()

    @rule(seconds=st.sampled_from([5, 20, 40]))
    def time_passes(self, seconds):
        self._pass(self._acting(), seconds)

    @rule(seconds=st.sampled_from([1, 31, 61]))
    def nothing_moves_for_a_while(self, seconds):
        self.now += seconds

    @rule(which=choice)
    def a_conductor_dies(self, which):
        if one := self._choose(which, self._acting()):
            del self.alive[one.host]

    @precondition(lambda self: len(self.alive) < len(HOSTS))
    @rule(which=choice, skew=st.sampled_from([0, -1000, 1000]))
    def a_conductor_starts_anew(self, which, skew):
        dead = (host for host in HOSTS if host not in self.alive)
        self._start(self._choose(which, dead), skew)

    @rule(which=choice)
    def a_conductor_is_stopped(self, which):
        if one := self._choose(which, self._acting()):
            one.stopped = True

    @precondition(lambda self: any(o.stopped for o in self.alive.values()))
    @rule(which=choice)
    def a_stopped_conductor_goes_on(self, which):
        stopped = (o for o in self.alive.values() if o.stopped)
        self._choose(which, stopped).stopped = False

    @rule(which=choice, seconds=st.sampled_from([20, 70]))
    def the_others_have_time_to_watch_a_conductor(self, which, seconds):
        """It does nothing meanwhile, and is none the wiser afterwards."""
        silent = self._choose(which, self._acting())
        others = self._acting(but=silent)
        self._pass(others, seconds)
        for one in others:
            one.takeover.sweep()

    def _pass(self, watching, seconds):
        """Time in which some do their duty, and the others do nothing."""
        for _ in range(0, seconds, 5):
            self.now += 5
            for one in watching:
                one.registration._renew()
                one.directory.refresh()

    # -- what is true when everybody comes to rest ----------------------------

    def teardown(self):
        try:
            self._come_to_rest()
        finally:
            self.database.close()
            shutil.rmtree(self.directory)

    def _come_to_rest(self):
        if not self.alive:
            self._start("a", 0)
        for one in self.alive.values():
            one.stopped = False
            while one.polls:
                one.polls.pop()[0].__exit__(None, None, None)
        everybody = list(self.alive.values())
        self._pass(everybody, 70)
        for _ in range(6):
            # A journey takes several turns, and so does one begun again.
            for one in everybody:
                one.takeover.sweep()
                while one.timer.due:
                    one.timer.due.pop(0)()
            self._pass(everybody, 10)
        assert self.storage.leases.all() == []
        for uuid in NODES:
            node = self.storage.nodes.get(uuid)
            assert node.reservation is None
            assert node.target_power_state is None
            assert STATES[node.provision_state].kind is not Kind.BUSY, node
        assert sum(one.tasks.running for one in self.alive.values()) == 0


TestOwnership = Ownership.TestCase
# The same orders each time, so that a failure is the last change's. For a
# search raise ``max_examples``, drop ``derandomize``, and let it shrink what
# it found, which may take minutes.
TestOwnership.settings = settings(
    max_examples=15,
    stateful_step_count=30,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


# What chance may miss, in an order that shows it.


def story(*steps):
    world = Ownership()
    try:
        for step, *arguments in steps:
            getattr(world, step)(*arguments)
            world.a_reservation_is_a_lease_and_a_lease_a_reservation()
            world.no_conductor_that_may_act_was_declared_gone()
    except BaseException:
        world.database.close()
        raise
    world.teardown()


def test_a_conductor_that_died_leaves_no_lease_behind():
    story(
        ("a_client_asks_for_a_verb", 0, NODES[0], "active"),
        ("background_work_begins", 0, NODES[1]),
        ("a_conductor_dies", 0),
    )


def test_a_conductor_that_was_stopped_writes_nothing_when_it_goes_on():
    story(
        ("a_client_asks_for_a_verb", 0, NODES[0], "active"),
        ("background_work_begins", 0, NODES[1]),
        ("a_conductor_is_stopped", 0),
        ("time_passes", 70),
        ("a_conductor_looks_around", 0),
        ("a_conductor_looks_around", 1),
        ("a_client_asks_for_a_verb", 0, NODES[0], "rebuild"),
        ("a_stopped_conductor_goes_on", 0),
        ("work_goes_on", 0, 4),
        ("background_work_goes_on", 0, True),
        ("a_conductor_renews_its_record", 0),
    )


def test_a_holder_that_lost_its_node_to_another_writes_nothing():
    story(
        ("background_work_begins", 0, NODES[0]),
        ("a_locked_node_changes_hands", 1, 0),
        ("background_work_goes_on", 0, False),
        ("an_administrator_breaks_a_lock", 2, 0),
        ("background_work_goes_on", 0, False),
        ("background_work_goes_on", 1, True),
    )
