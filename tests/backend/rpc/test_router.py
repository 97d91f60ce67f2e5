# SPDX-License-Identifier: Apache-2.0
"""To whom a call goes, and what a caller hears when nobody takes it."""

from __future__ import annotations

import inspect

import pytest

from baremetal_backend.core.errors import (
    ConductorNotFound,
    ConductorUnreachable,
    NodeLocked,
    NodeNotFound,
    NoValidHost,
    ShuttingDown,
    Unavailable,
)
from baremetal_backend.core.records import (
    ConductorRecord,
    Holder,
    Node,
    Port,
)
from baremetal_backend.core.timestamps import timestamp
from baremetal_backend.rpc import wire
from baremetal_backend.rpc.directory import Directory
from baremetal_backend.rpc.interface import Conductor, ProvisioningParams
from baremetal_backend.rpc.router import make_router, routed_methods
from baremetal_backend.storage import Database, Storage
from tests.fakes.blank_database import blank_database

NOW = 1_800_000_000.0
TYPES = {
    "fake": {"interfaces": {"power": ["a", "b"]}, "properties": {"k": "v"}}
}


class Wires:
    """Carries calls to conductors that are lists of what they were asked."""

    def __init__(self) -> None:
        self.calls = []
        self.answers = {}

    def call(self, host, method, arguments):
        self.calls.append((host, method, dict(arguments)))
        answer = self.answers.get(host, {"result": None})
        return answer() if callable(answer) else answer

    @property
    def hosts(self):
        return [host for host, _, _ in self.calls]


class Network:
    """A database with conductors, and an API process that looks at it."""

    def __init__(self, path) -> None:
        blank_database(path / "test.sqlite")
        self.storage = Storage(
            Database(f"sqlite:///{path}/test.sqlite"), lambda: NOW
        )
        self.now = 0.0
        self.slept = 0.0
        self.wires = Wires()
        self.directory = Directory(
            self.storage.conductors,
            60.0,
            clock=lambda: NOW,
            monotonic=lambda: self.now,
        )
        self.router = self.api()

    def api(self, **values):
        router = make_router(
            self.directory, self.storage, remote=self.wires, **values
        )
        router._sleep = self.sleep
        router._monotonic = lambda: self.now
        return router

    def sleep(self, seconds):
        self.now += seconds
        self.slept += seconds

    def conductor(self, host, group="", types=TYPES):
        now = timestamp(NOW)
        record = ConductorRecord(
            host=host,
            incarnation=f"incarnation-of-{host}",
            conductor_group=group,
            hardware_types=types,
            registered_at=now,
            renewed_at=now,
        )
        assert self.storage.conductors.register(record, None)
        self.directory.refresh()
        return Holder(host, record.incarnation)

    def node(self, number=1, driver="fake", group=""):
        return self.storage.nodes.create(
            Node(
                uuid=f"00000000-0000-4000-8000-{number:012d}",
                name=f"node-{number}",
                driver=driver,
                conductor_group=group,
            )
        )


@pytest.fixture
def network(tmp_path):
    found = Network(tmp_path)
    yield found
    found.storage.close()


def test_every_method_of_a_conductor_is_carried():
    methods = {
        name
        for name, _ in inspect.getmembers(Conductor, inspect.isfunction)
        if not name.startswith("_")
    }
    assert set(routed_methods()) == methods
    for name in methods:
        first = list(inspect.signature(getattr(Conductor, name)).parameters)[1]
        assert first in ("node_id", "host", "values", "kind"), name


def test_a_call_goes_to_the_owner_of_the_node_by_uuid_or_name(network):
    for host in ("a", "b", "c"):
        network.conductor(host)
    for number in range(1, 20):
        node = network.node(number)
        owner = network.directory.owner(node.uuid, "fake", "")
        network.router.inject_nmi(node.uuid)
        network.router.inject_nmi(node.name)
        assert network.wires.hosts[-2:] == [owner, owner]
    assert set(network.wires.hosts) == {"a", "b", "c"}


def test_arguments_are_sent_by_name_and_as_plain_json(network):
    network.conductor("a")
    node = network.node()
    network.router.do_provisioning_action(
        node.uuid, "clean", ProvisioningParams(clean_steps=({"step": "x"},))
    )
    ((_, method, arguments),) = network.wires.calls
    assert method == "do_provisioning_action"
    assert arguments["verb"] == "clean"
    assert arguments["params"]["clean_steps"] == [{"step": "x"}]


def test_this_processs_own_nodes_are_served_without_a_message(network):
    network.conductor("a")

    class Local:
        asked = []

        def inject_nmi(self, node_id):
            self.asked.append(node_id)

    router = network.api(host="a", local=Local())
    node = network.node()
    router.inject_nmi(node.uuid)
    assert (Local.asked, network.wires.calls) == ([node.uuid], [])


def test_without_a_conductor_the_answer_comes_at_once(network):
    network.conductor("a", group="rack1")
    node = network.node(group="rack2")
    with pytest.raises(NoValidHost, match="rack2"):
        network.router.inject_nmi(node.uuid)
    with pytest.raises(NoValidHost, match="warp"):
        network.router.create_node({"driver": "warp"})
    assert (network.wires.calls, network.slept) == ([], 0.0)


def test_an_unknown_node_is_not_found_before_anybody_is_asked(network):
    network.conductor("a")
    with pytest.raises(NodeNotFound):
        network.router.inject_nmi("nobody")
    assert network.wires.calls == []


def test_a_new_node_goes_to_a_conductor_of_its_type_and_group(network):
    network.conductor("a")
    network.conductor("b", group="rack1")
    network.wires.answers["b"] = {
        "result": wire.encode(Node(uuid="u", driver="fake"))
    }
    made = network.router.create_node(
        {"driver": "fake", "conductor_group": "RACK1"}
    )
    assert made == Node(uuid="u", driver="fake")
    assert network.wires.hosts == ["b"]


def test_a_changed_driver_or_group_is_judged_by_whom_it_leads_to(network):
    network.conductor("a")
    network.conductor("b", types={"other": TYPES["fake"]})
    network.wires.answers["b"] = {
        "result": wire.encode(Node(uuid="u", driver="other"))
    }
    node = network.node()
    network.router.update_node(node.uuid, {"driver": "other"}, 1)
    assert network.wires.hosts == ["b"]
    with pytest.raises(NoValidHost, match="rack9"):
        network.router.update_node(node.uuid, {"conductor_group": "rack9"}, 1)


def test_a_port_goes_with_its_node_and_a_chassis_to_anybody(network):
    network.conductor("a", group="rack1")
    network.conductor("b", group="rack2")
    node = network.node(group="rack2")
    port = Port(uuid="p", node_uuid=node.uuid, address="00:00:00:00:00:01")
    for host in ("a", "b"):
        network.wires.answers[host] = wire.encode_result(
            "create_resource", port
        )
    made = network.router.create_resource(
        "port", {"node_uuid": node.uuid, "address": port.address}
    )
    assert made == port
    assert network.wires.hosts == ["b"]
    network.storage.ports.create(
        {"uuid": "p", "node_uuid": node.uuid, "address": port.address}
    )
    network.router.destroy_resource("port", "p")
    assert network.wires.hosts == ["b", "b"]
    network.storage.chassis.create({"uuid": "c"})
    network.router.destroy_resource("chassis", "c")
    assert network.wires.hosts[-1] in ("a", "b")


def test_a_call_to_one_conductor_goes_there_or_nowhere(network):
    network.conductor("a")
    gone = network.conductor("b")
    network.wires.answers["a"] = {"result": []}
    assert network.router.periodics("a") == ()
    with pytest.raises(ConductorNotFound):
        network.router.periodics("z")
    (row,) = [
        r for r in network.storage.conductors.all() if r.host == gone.host
    ]
    network.storage.conductors.declare_gone(row)
    network.directory.refresh()
    with pytest.raises(ConductorUnreachable):
        network.router.periodics("b")
    assert network.wires.hosts == ["a"]


def test_breaking_a_lock_does_not_depend_on_the_owner(network):
    network.conductor("a", group="rack1")
    node = network.node(group="rack2")
    network.router.break_lock(node.uuid, "it hangs")
    assert network.wires.hosts == ["a"]


def test_an_error_of_the_owner_is_the_callers(network):
    network.conductor("a")
    network.wires.answers["a"] = wire.encode_error(NodeLocked("u", "a"))
    with pytest.raises(NodeLocked):
        network.router.inject_nmi(network.node().uuid)
    assert network.wires.hosts == ["a"]


def test_a_conductor_that_stops_hands_the_call_to_its_successor(network):
    first, _second = network.conductor("a"), network.conductor("b")
    node = next(
        node
        for node in map(network.node, range(1, 50))
        if network.directory.owner(node.uuid, "fake", "") == "a"
    )

    def stopping():
        network.storage.conductors.drain(first)
        return wire.encode_error(ShuttingDown("a"))

    network.wires.answers["a"] = stopping
    network.router.inject_nmi(node.uuid)
    assert network.wires.hosts == ["a", "b"]


def test_the_last_conductor_that_stops_says_so_within_seconds(network):
    network.conductor("a")
    network.wires.answers["a"] = wire.encode_error(ShuttingDown("a"))
    with pytest.raises(ShuttingDown):
        network.router.inject_nmi(network.node().uuid)
    assert 0 < network.slept < 10


def test_a_call_without_an_answer_is_not_sent_again(network):
    network.conductor("a")

    def silent():
        raise ConductorUnreachable("gone")

    network.wires.answers["a"] = silent
    with pytest.raises(ConductorUnreachable):
        network.router.inject_nmi(network.node().uuid)
    assert network.wires.hosts == ["a"]


def test_with_nobody_alive_even_a_chassis_has_to_wait(network):
    with pytest.raises(Unavailable, match="No conductor is alive"):
        network.router.create_resource("chassis", {})
