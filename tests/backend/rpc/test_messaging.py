# SPDX-License-Identifier: Apache-2.0
"""Calls through oslo.messaging itself; only the broker is in memory."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest
from kombu.exceptions import OperationalError
from oslo_config import cfg

from baremetal_backend.conf.settings import ConfigurationError
from baremetal_backend.core.errors import (
    ConductorUnreachable,
    InternalError,
    NodeLocked,
    Unavailable,
)
from baremetal_backend.core.records import Node, Port
from baremetal_backend.rpc import messaging, wire
from baremetal_backend.rpc.interface import (
    BootDevice,
    ProvisioningParams,
    UpdateOptions,
    Validation,
)


class Answering:
    """A conductor that says what it is told to say, and remembers."""

    def __init__(self) -> None:
        self.calls = []
        self.answers = {}
        self.hold = threading.Event()

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)

        def method(**arguments):
            self.calls.append((name, arguments))
            answer = self.answers.get(name)
            if answer == "hang":
                self.hold.wait(20)
                return None
            if isinstance(answer, Exception):
                raise answer
            return answer

        return method


class Exchange:
    """A server, and a way to it."""

    def __init__(self) -> None:
        options = cfg.ConfigOpts()
        options([], project="test")
        self.transport = _fake_transport(options)
        options.set_override("rpc_response_timeout", 5)
        self.conductor = Answering()
        self.serving = True
        self.server = messaging.MessagingServer(
            self.transport, "one", self.conductor
        )
        self.server.start()
        self.remote = messaging.MessagingRemote(
            self.transport, lambda _host: self.serving
        )

    def call(self, method, **arguments):
        answer = self.remote.call(
            "one", method, wire.encode_arguments(arguments)
        )
        return wire.opened(method, answer)

    def close(self) -> None:
        self.conductor.hold.set()
        self.remote.stop()
        self.server.stop()
        self.transport.cleanup()


def _fake_transport(options):
    from oslo_messaging import conffixture

    fixture = conffixture.ConfFixture(options, transport_url="fake:/")
    fixture.setUp()
    return messaging.make_transport(options)


@pytest.fixture
def exchange():
    found = Exchange()
    yield found
    found.close()


def test_records_arrive_as_records_on_both_sides(exchange):
    node = Node(
        uuid="u", driver="d", traits=("A", "B"), driver_info={"a": [1]}
    )
    exchange.conductor.answers["update_node"] = node
    options = UpdateOptions(
        reset_interfaces=True, named_interfaces=frozenset({"power_interface"})
    )
    found = exchange.call(
        "update_node",
        node_id="u",
        changes={"traits": ["A"]},
        seen_version=3,
        options=options,
    )
    assert found == node
    ((name, arguments),) = exchange.conductor.calls
    assert name == "update_node"
    assert arguments == {
        "node_id": "u",
        "changes": {"traits": ["A"]},
        "seen_version": 3,
        "options": options,
    }


def test_what_may_be_any_record_says_what_it_is(exchange):
    port = Port(uuid="p", node_uuid="u", address="00:00:00:00:00:01")
    exchange.conductor.answers["create_resource"] = port
    assert exchange.call("create_resource", kind="port", values={}) == port


def test_mappings_and_tuples_of_records_arrive(exchange):
    answers = exchange.conductor.answers
    answers["validate_driver_interfaces"] = {"power": Validation(True, None)}
    answers["get_boot_device"] = BootDevice("disk", None)
    assert exchange.call("validate_driver_interfaces", node_id="u") == {
        "power": Validation(True, None)
    }
    assert exchange.call("get_boot_device", node_id="u") == BootDevice(
        "disk", None
    )


def test_an_error_is_raised_as_what_it_was(exchange):
    exchange.conductor.answers["vif_detach"] = NodeLocked(
        "u", "two", retry_after=7.0
    )
    with pytest.raises(NodeLocked) as caught:
        exchange.call("vif_detach", node_id="u", vif_id="v")
    assert (caught.value.status, caught.value.host) == (409, "two")
    assert caught.value.retry_after == 7.0
    assert "is locked by host two" in caught.value.message


def test_a_bug_tells_nothing_of_its_insides(exchange):
    exchange.conductor.answers["inject_nmi"] = RuntimeError("password=x")
    with pytest.raises(InternalError) as caught:
        exchange.call("inject_nmi", node_id="u")
    assert "password" not in caught.value.message


def test_a_call_ends_as_soon_as_its_conductor_is_known_to_be_gone(exchange):
    exchange.conductor.answers["inject_nmi"] = "hang"
    done = threading.Event()
    errors = []

    def call():
        try:
            exchange.call("inject_nmi", node_id="u")
        except ConductorUnreachable as error:
            errors.append(error)
        done.set()

    threading.Thread(target=call).start()
    while not exchange.conductor.calls:
        assert not done.wait(0.05)
    exchange.serving = False
    assert done.wait(3)
    (error,) = errors
    assert error.status == 503
    assert "one" in error.message


@pytest.mark.parametrize(
    "error",
    [
        OperationalError("refused"),
        ConnectionResetError("reset"),
        messaging.oslo_messaging.MessageDeliveryFailure("nobody"),
        messaging.oslo_messaging.MessagingTimeout("late"),
    ],
)
def test_a_broken_broker_is_503_and_no_fault_of_ours(
    exchange, monkeypatch, error
):
    def broken(*_args, **_kwargs):
        raise error

    monkeypatch.setattr(
        exchange.remote._client,
        "prepare",
        lambda **_values: SimpleNamespace(call=broken),
    )
    with pytest.raises(ConductorUnreachable, match="one"):
        exchange.call("inject_nmi", node_id="u")


def test_another_error_is_not_taken_for_the_brokers(exchange, monkeypatch):
    def broken(*_args, **_kwargs):
        raise KeyError("bug")

    monkeypatch.setattr(
        exchange.remote._client,
        "prepare",
        lambda **_values: SimpleNamespace(call=broken),
    )
    with pytest.raises(KeyError):
        exchange.call("inject_nmi", node_id="u")


def test_a_method_of_another_release_is_refused_by_name(exchange):
    answer = exchange.remote.call("one", "warp_node", {"node_id": "u"})
    with pytest.raises(InternalError, match="warp_node"):
        wire.opened("inject_nmi", answer)


def test_fields_of_another_release_are_left_out():
    sent = wire.encode(Node(uuid="u", driver="d")) | {"colour": "red"}
    assert wire.decode(sent, Node) == Node(uuid="u", driver="d")


def test_an_unknown_error_becomes_the_family_of_its_status():
    answer = {"error": {"class": "Warped", "status": 503, "attributes": {}}}
    with pytest.raises(Unavailable):
        wire.opened("inject_nmi", answer)


def test_parameters_keep_their_types_on_the_way():
    params = ProvisioningParams(
        configdrive={"meta_data": {}},
        clean_steps=({"interface": "deploy", "step": "x"},),
    )
    sent = wire.encode_arguments({"params": params, "verb": "clean"})
    back = wire.decode_arguments("do_provisioning_action", sent)
    assert back == {"params": params, "verb": "clean"}


@pytest.mark.parametrize("url", ["", "carrier-pigeon://home/"])
def test_an_unusable_transport_is_said_with_its_option(url):
    options = cfg.ConfigOpts()
    options([], project="test")
    with pytest.raises(ConfigurationError, match="transport_url"):
        from oslo_messaging import transport

        options.register_opts(transport._transport_opts)
        options.set_override("transport_url", url)
        messaging.make_transport(options)
