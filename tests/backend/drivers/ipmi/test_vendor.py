# SPDX-License-Identifier: Apache-2.0
"""Methods of the vendor interface, and what their arguments may be."""

from __future__ import annotations

import pytest

from baremetal_backend.core.errors import (
    HardwareFailed,
    HardwareRefused,
    InvalidParameterValue,
)
from baremetal_backend.drivers.ipmi import raw_bytes
from baremetal_backend.drivers.ipmi.vendor import IpmiVendor
from tests.backend.drivers.ipmi.conftest import Task


@pytest.fixture
def vendor(bench):
    return bench.make(IpmiVendor)


@pytest.mark.parametrize(
    "text", ["0x06 0x01 0xff", "6 1 255", "0x06,0x01,0xFF", " 6  0x1 0xff "]
)
def test_bytes_are_read_as_people_write_them(text):
    found = raw_bytes.parsed(text)
    assert (found.netfn, found.number, found.data) == (6, 1, b"\xff")
    assert not found.repeatable


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "0 bytes"),
        ("0x06", "1 bytes"),
        ("0x06 0x100", "'0x100' is no byte"),
        ("0x06 -1", "'-1' is no byte"),
        ("0x06 xyz", "'xyz' is no byte"),
        ("0x06 +1", "'+1' is no byte"),
        ("0x06 1_0", "'1_0' is no byte"),
        ("0x06 0x1_0", "'0x1_0' is no byte"),
        ("\u0666 1", "'\\u0666' is no byte"),
        ("6 " + "9" * 5000, "'9999999999999999999 is no byte"),
        ("0x07 0x01", "0x07 is no network function"),
        ("0x40 0x01", "0x40 is no network function"),
        ("6 1 " + "0 " * 300, "302 bytes"),
        (7, "not a text"),
    ],
)
def test_what_is_no_command_is_refused_with_the_form(text, why):
    with pytest.raises(InvalidParameterValue) as caught:
        raw_bytes.parsed(text)
    assert why in caught.value.message
    assert '"0x00 0x04 0x0f"' in caught.value.message


def test_a_raw_command_is_sent_once_and_answers_with_bytes(bench, vendor):
    bench.bmc.vendor[0x30, 0x70] = b"\x01\xab"
    answer = bench.run(vendor.send_raw(Task(bench.node()), "0x30 0x70 0x0c"))
    assert answer == {"data": "0x01 0xab"}
    [(_, command)] = bench.client.sent
    assert command.data == b"\x0c"
    assert not command.repeatable


def test_a_raw_command_spoils_no_session_for_others(bench, vendor):
    """Set Session Privilege Level: USER would hold for all that follows."""
    bench.bmc.vendor[0x06, 0x3B] = b"\x02"
    bench.run(vendor.send_raw(Task(bench.node()), "0x06 0x3b 0x02"))
    assert len(bench.client.forgotten) == 1


def test_a_raw_command_that_is_refused_shows_the_code(bench, vendor):
    with pytest.raises(HardwareFailed, match="0xc1"):
        bench.run(vendor.send_raw(Task(bench.node()), "0x30 0x70"))


def test_the_restart_is_warm_unless_said_otherwise(bench, vendor):
    bench.run(vendor.bmc_reset(Task(bench.node())))
    bench.run(vendor.bmc_reset(Task(bench.node()), warm="false"))
    assert bench.bmc.done["Warm Reset"] == 1
    assert bench.bmc.done["Cold Reset"] == 1


def test_the_lamp_is_switched(bench, vendor):
    bench.run(vendor.identify(Task(bench.node())))
    assert bench.bmc.identify == 2


def test_the_log_is_cleared(bench, vendor):
    bench.bmc.events = [bytes(16)]
    bench.run(vendor.clear_sel(Task(bench.node())))
    assert bench.bmc.events == []


@pytest.mark.parametrize(
    ("method", "arguments", "name"),
    [
        ("send_raw", {"raw_bytes": "x"}, "raw_bytes"),
        ("bmc_reset", {"warm": "lukewarm"}, "warm"),
        ("bmc_reset", {"warm": [1]}, "warm"),
        ("identify", {"state": "green"}, "state"),
        ("identify", {"state": None}, "state"),
    ],
)
def test_arguments_are_checked_before_anything_begins(
    bench, vendor, method, arguments, name
):
    with pytest.raises(InvalidParameterValue, match=name):
        vendor.check(bench.node(), method, arguments)
    assert bench.client.sent == []


def test_a_node_whose_data_will_not_do_is_refused_first(bench, vendor):
    with pytest.raises(HardwareRefused, match="ipmi_address"):
        vendor.check(
            bench.node(driver_info={}), "send_raw", {"raw_bytes": "6 1"}
        )


def test_methods_are_offered_with_what_they_take():
    found = IpmiVendor.methods()
    assert sorted(found) == [
        "bmc_reset",
        "clear_sel",
        "identify",
        "sel",
        "send_raw",
        "sensors",
    ]
    assert found["send_raw"].arguments == {"raw_bytes": True}
    assert found["bmc_reset"].is_async
    assert not found["sensors"].exclusive
    assert found["sel"].http_methods == ("GET",)


def test_a_bmc_that_is_gone_fails_the_reading(bench, vendor):
    bench.client.bmcs.clear()
    with pytest.raises(HardwareFailed, match=r"192\.0\.2\.1:623"):
        vendor.sel(bench.node())


def test_a_log_that_is_not_read_in_time_is_given_up(bench, vendor):
    # Records that go on for ever, 1 s each.
    class Slow(dict):
        def __contains__(self, key):
            return key == (0x0A, 0x43)

        def __getitem__(self, key):
            bench.clock.now += 1
            following = int(bench.clock.now) & 0x7FFF
            return following.to_bytes(2, "little") + bytes(16)

    bench.bmc.vendor = Slow()
    with pytest.raises(HardwareFailed, match="not read within 45 s"):
        vendor.sel(bench.node())


def test_no_part_of_it_keeps_how_to_reach_a_node_that_went(bench, vendor):
    node = bench.node()
    bench.run(vendor.identify(Task(node), "on"))
    vendor.access(node)
    vendor.forget(node)
    parts = (vendor, vendor._management)
    assert [node.uuid in one._accesses for one in parts] == [False, False]
