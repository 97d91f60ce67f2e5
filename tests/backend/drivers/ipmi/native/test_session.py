# SPDX-License-Identifier: Apache-2.0
"""One session: what is sealed, what is believed, and pyghmi's shape."""

from __future__ import annotations

import hashlib
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyghmi.ipmi.private import session as pyghmi_session

from baremetal_backend.conf.settings import ConfigurationError
from baremetal_backend.drivers.ipmi.bmc import Bmc, Secret
from baremetal_backend.drivers.ipmi.native import fit
from baremetal_backend.drivers.ipmi.native.sealing import Sealing
from baremetal_backend.drivers.ipmi.native.session import Rmcp, Rubbish

BMC = Bmc(address="192.0.2.1", username=b"admin", password=Secret(b"secret"))
KEY, SIGNING = bytes(range(16)), bytes(range(20))


class Pyghmi(pyghmi_session.Session):  # type: ignore[misc]
    """pyghmi's own framing, in an open session, without its sockets."""

    def __new__(cls) -> Pyghmi:
        made: Pyghmi = object.__new__(cls)
        return made

    def __init__(self) -> None:
        self.lastpayload = None
        self.servermode = False
        self.sol_handler = None
        self.logontries = self.maxtimeout = 0
        self._customkeepalives = None
        self._initsession()
        self.ipmiversion, self.authtype = 2.0, 6
        self.integrityalgo, self.confalgo = 1, "aes"
        self.aeskey, self.k1 = KEY, SIGNING
        self.currhashlib, self.currhashlen = hashlib.sha1, 12
        self.sessionid = self.localsid
        self.sequencenumber = 7
        self.payloads: list[bytes] = []

    def _xmit_packet(self, *_: object, **__: object) -> None:
        pass

    def _parse_ipmi_payload(self, payload: bytearray) -> None:
        self.payloads.append(bytes(payload))


def sealing() -> Sealing:
    return Sealing(KEY, SIGNING, "sha1", 12)


@given(st.binary(min_size=1, max_size=300))
def test_pyghmi_reads_what_we_seal(payload: bytes) -> None:
    reader = Pyghmi()
    datagram = sealing().seal(0, reader.localsid, 8, payload)
    reader._handle_ipmi2_packet(bytearray(datagram))
    assert reader.payloads == [payload]


@given(st.binary(min_size=1, max_size=300))
def test_we_read_what_pyghmi_seals(payload: bytes) -> None:
    writer = Pyghmi()
    writer.send_payload(bytearray(payload), 0, retry=False)
    assert sealing().unseal(bytes(writer.netpacket)) == (7, payload)


@given(st.binary(min_size=1, max_size=60), st.data())
def test_a_changed_datagram_is_not_believed(
    payload: bytes, data: st.DataObject
) -> None:
    datagram = bytearray(sealing().seal(0, 1, 1, payload))
    at = data.draw(st.integers(4, len(datagram) - 1))
    datagram[at] ^= data.draw(st.integers(1, 255))
    assert sealing().unseal(bytes(datagram)) is None


def test_no_two_datagrams_are_alike() -> None:
    """The initialisation vector is fresh each time."""
    one, other = (sealing().seal(0, 1, 1, b"same") for _ in range(2))
    assert one[16:32] != other[16:32]


@given(st.binary(max_size=200))
def test_no_datagram_of_a_stranger_does_more_than_being_rubbish(
    datagram: bytes,
) -> None:
    rmcp = Rmcp(BMC, 17, lambda _: None)
    rmcp.ask_capabilities()
    step = rmcp.step
    for start in (b"", b"\x06\x00\xff\x07\x06", b"\x06\x00\xff\x07\x00"):
        try:
            event = rmcp.receive(start + datagram)
        except Rubbish as error:
            assert str(error)
        else:
            assert event is None
    assert rmcp.step == step


def test_credentials_are_bytes_wherever_pyghmi_compares_them() -> None:
    rmcp = Rmcp(BMC, 3, lambda _: None)
    assert (rmcp.userid, rmcp.password, rmcp.kg) == (
        b"admin",
        b"secret",
        b"secret",
    )


def test_sessions_leave_nothing_in_pyghmi() -> None:
    registries = (
        pyghmi_session.Session.bmc_handlers,
        pyghmi_session.Session.waiting_sessions,
        pyghmi_session.Session.initting_sessions,
        pyghmi_session.Session.keepalive_sessions,
        pyghmi_session.Session.socketpool,
        pyghmi_session.iosockets,
    )
    for _ in range(3):
        Rmcp(BMC, 3, lambda _: None).ask_capabilities()
    assert not any(registries)
    assert pyghmi_session.iothread is None


def test_two_sessions_have_different_numbers() -> None:
    numbers = {Rmcp(BMC, 3, lambda _: None).session_id for _ in range(50)}
    assert len(numbers) == 50


def test_what_waits_or_sends_by_itself_is_not_there() -> None:
    rmcp = Rmcp(BMC, 3, lambda _: None)
    for name in ("login", "logout", "raw_command", "_keepalive", "_timedout"):
        with pytest.raises(NotImplementedError):
            getattr(rmcp, name)()


def test_the_installed_pyghmi_fits() -> None:
    fit.check()


def test_a_pyghmi_without_a_method_stops_the_start() -> None:
    class Changed(pyghmi_session.Session):  # type: ignore[misc]
        _got_rakp2 = None

    with pytest.raises(ConfigurationError, match="_got_rakp2 changed"):
        fit.check(Changed)


def test_a_pyghmi_with_other_arguments_stops_the_start() -> None:
    class Changed(pyghmi_session.Session):  # type: ignore[misc]
        def _xmit_packet(self, retry: bool = True) -> None:
            pass

    with pytest.raises(ConfigurationError, match="_xmit_packet changed"):
        fit.check(Changed)


def test_a_secret_is_in_no_text() -> None:
    text = f"{BMC!r} {BMC.password} {Rmcp(BMC, 3, lambda _: None)!r}"
    assert "secret" not in text.replace("Secret", "")
    assert os.linesep not in text
