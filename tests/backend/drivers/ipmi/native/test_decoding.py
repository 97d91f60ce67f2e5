# SPDX-License-Identifier: Apache-2.0
"""Sensors and events from bytes, with pyghmi's tables and without a BMC."""

from __future__ import annotations

import pytest

from baremetal_backend.drivers.ipmi.command import Command, Response
from baremetal_backend.drivers.ipmi.errors import (
    ProtocolViolation,
    Refused,
    Unreachable,
)
from baremetal_backend.drivers.ipmi.native import decoding

WHERE = "192.0.2.1:623"

DEVICE_ID = bytes.fromhex("20 01 01 05 02 02 57 01 00 34 12")


def full_record(name: str, number: int, kind: int, unit: int) -> bytes:
    """A sensor record of type 1 with readings of 1:1 (table 43-1)."""
    text = name.encode()
    body = bytes([0x20, 0, number, 3, 1, 0x7F, 0x68, kind, 0x01])
    body += bytes(6) + bytes([0, unit, 0, 0, 1, 0, 0, 0, 0, 0, 0])
    body += bytes(16) + bytes([0xC0 | len(text)]) + text
    return bytes([1, 0, 0x51, 0x01, len(body)]) + body


def event(record: int, *, kind: int, number: int, data: str) -> bytes:
    stamp = 1_700_000_000 + record
    return (
        record.to_bytes(2, "little")
        + b"\x02"
        + stamp.to_bytes(4, "little")
        + bytes([0x20, 0, 0x04, kind, number, 0x01])
        + bytes.fromhex(data)
    )


class Bmc:
    """Answers as a BMC with these sensors and events would."""

    def __init__(self, records=(), events=(), readings=None) -> None:
        self.records = list(records)
        self.events = list(events)
        self.readings = readings or {}
        self.asked = 0

    def __call__(self, command: Command) -> Response:
        self.asked += 1
        key = (command.netfn, command.number)
        if key == (0x06, 0x01):
            return Response(DEVICE_ID)
        if key == (0x0A, 0x20):
            count = len(self.records).to_bytes(2, "little")
            return Response(b"\x51" + count + bytes(2) + bytes(9))
        if key == (0x0A, 0x23):
            return self._listed(self.records, command.data[2:4], command)
        if key == (0x0A, 0x43):
            return self._listed(self.events, command.data[2:4], command)
        if key == (0x04, 0x2D) and command.data[0] in self.readings:
            return Response(self.readings[command.data[0]])
        raise Refused(WHERE, command.name, 0.0, "not there", 0xCB)

    def _listed(self, found, wanted: bytes, command: Command) -> Response:
        place = int.from_bytes(wanted, "little")
        if place >= len(found):
            raise Refused(WHERE, command.name, 0.0, "not there", 0xCB)
        last = place == len(found) - 1
        following = 0xFFFF if last else place + 1
        return Response(following.to_bytes(2, "little") + found[place])


def test_a_temperature_is_read_with_its_unit_and_state():
    bmc = Bmc(
        [full_record("CPU 1", 0x30, kind=1, unit=1)],
        readings={0x30: bytes([85, 0xC0, 0x10])},
    )
    [found] = decoding.sensors(WHERE, bmc)
    assert (found["name"], found["type"]) == ("CPU 1", "Temperature")
    assert (found["value"], found["units"]) == (85.0, "°C")
    assert found["health"] == "critical"
    assert found["states"] == ["upper critical threshold"]
    assert found["available"]


def test_a_sensor_that_is_not_there_leaves_the_others():
    bmc = Bmc(
        [
            full_record("Fan 1", 0x31, kind=4, unit=18),
            full_record("Fan 2", 0x32, kind=4, unit=18),
            full_record("Fan 3", 0x33, kind=4, unit=18),
        ],
        readings={0x31: bytes([100, 0xC0, 0]), 0x33: bytes([0, 0x20, 0])},
    )
    first, third = decoding.sensors(WHERE, bmc)
    assert (first["name"], first["value"]) == ("Fan 1", 100.0)
    assert (third["name"], third["available"]) == ("Fan 3", False)
    assert third["value"] is None


def test_two_bmcs_of_one_firmware_keep_their_own_sensors():
    for name in ("one", "two"):
        bmc = Bmc(
            [full_record(name, 0x30, kind=1, unit=1)],
            readings={0x30: bytes([20, 0xC0, 0])},
        )
        [found] = decoding.sensors(WHERE, bmc)
        assert found["name"] == name


def test_a_bmc_without_sensor_records_has_no_sensors():
    assert decoding.sensors(WHERE, Bmc()) == []


def test_an_event_is_told_with_its_sensors_name():
    bmc = Bmc(
        [full_record("CPU 1", 0x30, kind=1, unit=1)],
        [event(1, kind=1, number=0x30, data="59 5a 55")],
    )
    [found] = decoding.events(WHERE, bmc)
    assert found["record_id"] == 1
    assert found["at"] == "2023-11-14T22:13:21+00:00"
    assert found["component"] == "CPU 1"
    assert found["type"] == "Temperature"
    assert "upper" in found["event"].lower()
    assert found["severity"] == "critical"
    assert found["raw"].startswith("01 00 02")


def test_events_without_sensor_records_name_the_sensors_number():
    bmc = Bmc(events=[event(1, kind=1, number=0x30, data="59 5a 55")])
    [found] = decoding.events(WHERE, bmc)
    assert found["component"].startswith("Sensor ")


def test_events_of_vendors_are_told_as_bytes():
    raw = b"\x02\x00\xe0" + b"acme-secrets"[:13].ljust(13, b"\0")
    [found] = decoding.events(WHERE, Bmc(events=[raw]))
    assert found["event"] is None
    assert found["raw"] == raw.hex(" ")


def test_an_empty_log_is_an_empty_list():
    assert decoding.events(WHERE, Bmc()) == []


def test_a_log_that_goes_in_circles_is_a_fault_of_the_bmc():
    def ask(command: Command) -> Response:
        return Response(b"\x00\x00" + bytes(16))

    with pytest.raises(ProtocolViolation, match="record 0 comes twice"):
        decoding.events(WHERE, ask)


def test_sensor_records_without_end_are_a_fault_of_the_bmc(monkeypatch):
    monkeypatch.setattr(decoding, "_MOST", 50)
    bmc = Bmc([full_record("x", 1, kind=1, unit=1)])

    def ask(command: Command) -> Response:
        if (command.netfn, command.number) == (0x0A, 0x23):
            # For ever "reservation cancelled".
            bmc.asked += 1
            raise Refused(WHERE, command.name, 0.0, "cancelled", 0xC5)
        if (command.netfn, command.number) == (0x0A, 0x22):
            return Response(b"\x01\x00")
        return bmc(command)

    with pytest.raises(ProtocolViolation, match="no end after 50 commands"):
        decoding.sensors(WHERE, ask)
    assert bmc.asked < 100


@pytest.mark.parametrize("cut", [0, 1, 5, 8, 20, 40])
def test_records_that_are_cut_off_are_a_fault_of_the_bmc(cut):
    record = full_record("CPU 1", 0x30, kind=1, unit=1)[:cut]
    with pytest.raises(ProtocolViolation) as caught:
        decoding.sensors(WHERE, Bmc([record]))
    assert WHERE in str(caught.value)


def test_an_event_that_is_cut_off_is_a_fault_of_the_bmc():
    with pytest.raises(ProtocolViolation, match="12 bytes"):
        decoding.events(WHERE, Bmc(events=[bytes(10)]))


def test_a_bmc_that_is_gone_is_told_as_such():
    def ask(command: Command) -> Response:
        raise Unreachable(WHERE, command.name, 10.0, "no answer")

    for read in (decoding.sensors, decoding.events):
        with pytest.raises(Unreachable):
            read(WHERE, ask)
