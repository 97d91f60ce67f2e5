# SPDX-License-Identifier: Apache-2.0
"""Users' values travel as they are, whatever they look like."""

from __future__ import annotations

import json

import pytest

from baremetal_backend.core.records import Node, Port
from baremetal_backend.rpc import wire
from baremetal_backend.rpc.interface import IndicatorInfo, VendorAnswer

STRANGE = [
    {"__record__": "Node"},
    {"__record__": "Holder", "host": "a", "incarnation": "b"},
    {"__record__": ["x"]},
    {"record": "Port", "error": {"class": "NodeLocked"}},
    {"result": None},
]


def over_the_wire(message):
    return json.loads(json.dumps(message))


@pytest.mark.parametrize("extra", STRANGE)
def test_arguments_are_what_the_user_gave(extra):
    values = {"driver": "fake-hardware", "extra": {"nested": extra} | extra}
    sent = over_the_wire(wire.encode_arguments({"values": values}))
    assert wire.decode_arguments("create_node", sent) == {"values": values}


@pytest.mark.parametrize("extra", STRANGE)
def test_results_are_what_the_database_has(extra):
    nested = {"nested": extra} | extra
    node = Node(uuid="u", driver="fake-hardware", extra=nested)
    sent = over_the_wire(wire.encode_result("create_node", node))
    assert wire.opened("create_node", sent) == node


@pytest.mark.parametrize("extra", STRANGE)
def test_a_record_of_any_kind_comes_back_as_that_record(extra):
    nested = {"nested": extra} | extra
    port = Port(
        uuid="u", node_uuid="n", address="52:54:00:00:00:01", extra=nested
    )
    sent = over_the_wire(wire.encode_result("create_resource", port))
    assert wire.opened("create_resource", sent) == port


@pytest.mark.parametrize(
    "result",
    [None, 7, "0x01", [1, "a"], {"uuid": "not a node", "is_async": False}],
)
def test_what_a_vendors_method_answers_stays_as_it_is(result):
    sent = VendorAnswer(False, result)
    message = over_the_wire(wire.encode_result("vendor_passthru", sent))
    assert wire.opened("vendor_passthru", message) == sent


def test_lamps_come_back_as_lamps():
    sent = (IndicatorInfo("system", "led", ("on", "off")),)
    message = over_the_wire(wire.encode_result("get_indicators", sent))
    assert wire.opened("get_indicators", message) == sent
