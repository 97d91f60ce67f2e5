# SPDX-License-Identifier: Apache-2.0
"""Sensors and event records of a BMC, decoded by pyghmi's tables.

pyghmi knows what the bytes of sensor records and events mean; its classes ask
an object for commands, and get one here that asks through a function. What
comes back is JSON. A BMC whose records make no sense, or have no end, is a
``ProtocolViolation`` after at most ``_MOST`` commands.

Knows neither sessions nor deadlines: the function has them.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from pyghmi.ipmi import events as pyghmi_events
from pyghmi.ipmi import sdr as pyghmi_sdr
from pyghmi.ipmi.oem import generic
from pyghmi.ipmi.private import constants

from baremetal_backend.drivers.ipmi.command import (
    SENSOR,
    STORAGE,
    Command,
    Response,
)
from baremetal_backend.drivers.ipmi.errors import (
    IpmiError,
    ProtocolViolation,
    Refused,
)

#: Asks the BMC. Errors: IpmiError.
Ask = Callable[[Command], Response]

#: Reads what there is: (``host:port``, how to ask) to JSON.
Reader = Callable[[str, Ask], list[dict[str, Any]]]

T = TypeVar("T")

# A large server has 500 sensors, a large log 4000 records.
_MOST = 20_000

_GET_READING = 0x2D
_GET_REPOSITORY = 0x20
_GET_SEL_ENTRY = 0x43

# Completion code: no such sensor, or no such record (IPMI 2.0, table 5-2).
_NOT_PRESENT = 0xCB

_NO_MORE = 0xFFFF

# Before this, a time stamp counts seconds since the BMC's start.
_CLOCK_IS_SET = 0x20000000

_HEALTH = ("ok", "warning", "critical", "failed")


class _NothingKept(dict[Any, Any]):
    """Stands where pyghmi keeps sensor records for BMCs of one firmware.

    Its key is the firmware and the records' time, which different machines
    share: one would be shown another's sensors.
    """

    def __setitem__(self, key: Any, value: Any) -> None:
        pass


pyghmi_sdr.shared_sdrs = _NothingKept()


class _Asker:
    """What pyghmi's decoders take for a BMC."""

    def __init__(self, where: str, ask: Ask) -> None:
        self._where = where
        self._ask = ask
        self._left = _MOST
        self._oem = generic.OEMHandler({}, self)

    def raw_command(
        self,
        netfn: int,
        command: int,
        data: Sequence[int] = (),
        **_others: Any,
    ) -> dict[str, Any]:
        """Ask; a refusal is a part of the answer."""
        try:
            return self.xraw_command(netfn, command, data)
        except Refused as error:
            return {"code": error.code, "error": str(error), "data": b""}

    def xraw_command(
        self,
        netfn: int,
        command: int,
        data: Sequence[int] = (),
        **_others: Any,
    ) -> dict[str, Any]:
        """Ask. Errors: IpmiError."""
        name = f"Command 0x{netfn:02x} 0x{command:02x}"
        self._left -= 1
        if self._left < 0:
            raise ProtocolViolation(
                self._where, name, 0.0, f"no end after {_MOST} commands"
            )
        found = self._ask(Command(name, netfn, command, bytes(data)))
        return {"code": 0, "data": bytearray(found.data)}

    def get_event_constants(self) -> Any:
        """The tables of the standard."""
        return constants


def sensors(where: str, ask: Ask) -> list[dict[str, Any]]:
    """All sensors that can be read. Errors: IpmiError."""
    return _checked(where, "Read sensors", lambda: _sensors(where, ask))


def _sensors(where: str, ask: Ask) -> list[dict[str, Any]]:
    asker = _Asker(where, ask)
    records = _sensor_records(asker)
    if records is None:
        return []
    found = []
    for key in records.get_sensor_numbers():
        sensor = records.sensors[key]
        if sensor.sensor_lun:
            # Commands go to the BMC's own unit only.
            continue
        answer = asker.raw_command(
            SENSOR, _GET_READING, (sensor.sensor_number,)
        )
        if answer["code"]:
            # A sensor that is not there, or is not told of: the rest is.
            continue
        found.append(_reading(sensor, answer["data"], asker))
    return sorted(found, key=lambda one: (one["type"], one["name"]))


def _reading(sensor: Any, data: bytearray, asker: _Asker) -> dict[str, Any]:
    reading = sensor.decode_sensor_reading(asker, data)
    value = reading.value
    health = max(0, int(reading.health or 0)).bit_length()
    return {
        "name": str(reading.name),
        "type": str(reading.type),
        "number": sensor.sensor_number,
        "available": not reading.unavailable,
        "value": None if value is None else round(float(value), 3),
        "units": (reading.units or "").strip(),
        "states": [str(one) for one in reading.states or ()],
        "health": _HEALTH[min(health, len(_HEALTH) - 1)],
    }


def events(where: str, ask: Ask) -> list[dict[str, Any]]:
    """The whole event log, the oldest record first. Errors: IpmiError."""
    return _checked(where, "Read SEL", lambda: _events(where, ask))


def _events(where: str, ask: Ask) -> list[dict[str, Any]]:
    asker = _Asker(where, ask)
    raw = list(_records(where, ask))
    if not raw:
        return []
    names = _sensor_records(asker) or _NoSensors()
    handler = pyghmi_events.EventHandler(names, asker)
    return [_event(handler, record) for record in raw]


def _sensor_records(asker: _Asker) -> Any:
    """The sensor data repository; None where there is none, or nothing in it.

    Get SDR Repository Info (IPMI 2.0, section 33.9) has their number.
    """
    info = asker.raw_command(STORAGE, _GET_REPOSITORY)
    if info["code"] or not any(info["data"][1:3]):
        return None
    return pyghmi_sdr.SDR(asker)


class _NoSensors:
    sensors: dict[str, Any] = {}


def _records(where: str, ask: Ask) -> Iterator[bytes]:
    """The bytes of each record (IPMI 2.0, section 31.5)."""
    record = 0
    seen: set[int] = set()
    while record != _NO_MORE:
        if record in seen:
            raise ProtocolViolation(
                where, "Read SEL", 0.0, f"record {record} comes twice"
            )
        seen.add(record)
        entry = bytes([0, 0, *record.to_bytes(2, "little"), 0, 0xFF])
        try:
            data = ask(
                Command("Get SEL Entry", STORAGE, _GET_SEL_ENTRY, entry)
            ).data
        except Refused as error:
            if error.code == _NOT_PRESENT:
                return
            raise
        if len(data) < 2 + 16:
            raise ProtocolViolation(
                where, "Get SEL Entry", 0.0, f"{len(data)} bytes"
            )
        record = int.from_bytes(data[:2], "little")
        yield data[2:18]


def _event(handler: Any, record: bytes) -> dict[str, Any]:
    found = handler._sel_decode(bytearray(record))
    stamp = found.get("timecode")
    when = None
    if stamp is not None and _CLOCK_IS_SET <= stamp < 0xFFFFFFFF:
        moment = datetime.datetime.fromtimestamp(stamp, datetime.UTC)
        when = moment.isoformat(timespec="seconds")
    severity = found.get("severity")
    health = max(0, int(severity or 0)).bit_length()
    return {
        "record_id": found["record_id"],
        "at": when,
        "component": found.get("component"),
        "type": found.get("component_type"),
        "event": found.get("event"),
        "data": _text(found.get("event_data")),
        "deassertion": bool(found.get("deassertion", False)),
        "severity": _HEALTH[min(health, len(_HEALTH) - 1)],
        "raw": record.hex(" "),
    }


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bytes | bytearray):
        return value.hex(" ")
    return str(value)


def _checked(where: str, what: str, read: Callable[[], T]) -> T:
    """What was read; whatever a decoder stumbles over is the BMC's fault."""
    try:
        return read()
    except IpmiError:
        raise
    except NotImplementedError:
        raise ProtocolViolation(
            where, what, 0.0, "records of a form that nobody knows"
        ) from None
    except Exception as error:
        raise ProtocolViolation(
            where,
            what,
            0.0,
            f"records that make no sense ({type(error).__name__}: {error})",
        ) from error


__all__ = ["Ask", "Reader", "events", "sensors"]
