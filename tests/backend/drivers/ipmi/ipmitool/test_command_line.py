# SPDX-License-Identifier: Apache-2.0
"""What the tool is started with, and what its last words mean."""

from __future__ import annotations

import pytest

from baremetal_backend.conf.ipmi import IpmiSettings
from baremetal_backend.core.errors import HardwareRefused
from baremetal_backend.drivers.ipmi import errors
from baremetal_backend.drivers.ipmi.command import (
    CHASSIS_STATUS,
    HARD_RESET,
    POWER_UP,
    Response,
)
from baremetal_backend.drivers.ipmi.ipmitool import command_line

SECRET = "hunter-2"
KEY = "ab" * 20
INFO = {
    "ipmi_address": "192.0.2.1",
    "ipmi_port": 624,
    "ipmi_username": "admin",
    "ipmi_password": SECRET,
}


def bmc(**fields):
    found = command_line.access(INFO | fields, IpmiSettings(), lambda _: b"")
    return found.bmc


def words(command=CHASSIS_STATUS, seconds=5.0, suite=3, **fields):
    return command_line.arguments(
        bmc(**fields), suite, command, seconds, "/dev/fd/9"
    )


def test_a_command_goes_out_as_bytes():
    assert words(POWER_UP) == [
        *("ipmitool", "-v", "-I", "lanplus"),
        *("-H", "192.0.2.1", "-p", "624", "-L", "ADMINISTRATOR"),
        *("-C", "3", "-U", "admin", "-f", "/dev/fd/9", "-R", "5", "-N", "1"),
        *("raw", "0x00", "0x02", "0x01"),
    ]


def test_no_argument_is_a_secret():
    line = " ".join(words(ipmi_hex_kg_key=KEY))
    assert SECRET not in line
    assert KEY not in line
    assert "-K" in line.split()


def test_what_must_not_be_done_twice_is_sent_once():
    line = words(HARD_RESET)
    assert line[line.index("-R") + 1] == "1"
    assert line[line.index("-N") + 1] == "5"


def test_the_tool_speaks_what_the_native_client_does_not():
    old = words(ipmi_protocol_version="1.5")
    assert old[old.index("-I") + 1] == "lan"
    assert "-C" not in old
    assert bmc(ipmi_cipher_suite=8).cipher_suites == (8,)
    line = words(
        ipmi_bridging="dual",
        ipmi_local_address="0x20",
        ipmi_transit_channel=1,
        ipmi_transit_address="0x82",
        ipmi_target_channel=7,
        ipmi_target_address="0x72",
    )
    place = line.index("-m")
    assert line[place : line.index("raw")] == [
        *("-m", "0x20", "-B", "0x1", "-T", "0x82", "-b", "0x7", "-t", "0x72")
    ]


def test_a_key_that_can_not_be_kept_secret_is_refused():
    with pytest.raises(HardwareRefused, match="ipmi_hex_kg_key"):
        bmc(ipmi_hex_kg_key="00" + "ab" * 19)
    assert bmc(ipmi_hex_kg_key="ab" * 19 + "00").key is not None


def test_bytes_that_were_printed_are_the_answer():
    found = command_line.answer(bmc(), CHASSIS_STATUS, 0.1, " 01 00 40 60\n")
    assert found == Response(b"\x01\x00\x40\x60")
    assert command_line.answer(bmc(), POWER_UP, 0.1, "\n") == Response(b"")
    wrong = command_line.answer(bmc(), POWER_UP, 0.1, "Chassis Power is on")
    assert isinstance(wrong, errors.ProtocolViolation)


UNABLE = "Error: Unable to establish IPMI v2 / RMCP+ session\n"


@pytest.mark.parametrize(
    ("printed", "kind", "text"),
    [
        (UNABLE, errors.Unreachable, "no answer"),
        ("> RAKP 2 HMAC is invalid\n" + UNABLE, errors.BadCredentials, "word"),
        (
            "RAKP 2 message indicates an error : unauthorized name\n",
            errors.BadCredentials,
            "no such user",
        ),
        (
            "Error in open session response message : insufficient resources"
            " for session\n" + UNABLE,
            errors.Busy,
            "no free session",
        ),
        (
            "Error in open session response message : invalid "
            "authentication algorithm\n" + UNABLE,
            errors.BadCredentials,
            "none of the suites 17, 3",
        ),
        (
            "Address lookup for x failed\n" + UNABLE,
            errors.Unreachable,
            "host name is unknown",
        ),
        (
            "Unable to send RAW command (channel=0x0 netfn=0x0 lun=0x0 "
            "cmd=0x2 rsp=0xcc): Invalid data field in request\n",
            errors.Refused,
            "Invalid data field in request (0xcc)",
        ),
        (
            "RAW command (cmd=0x2 rsp=0xc0): Node busy\n",
            errors.Busy,
            "0xc0",
        ),
        (
            "Unable to send RAW command (cmd=0x2 rsp=0xd4): Insufficient "
            "privilege level\n",
            errors.BadCredentials,
            "ADMINISTRATOR is not enough",
        ),
        ("", errors.Unreachable, "no answer"),
    ],
)
def test_the_last_words_become_a_typed_error(printed, kind, text):
    found = command_line.failure(bmc(), CHASSIS_STATUS, 1.5, printed)
    assert type(found) is kind
    assert text in str(found)
    assert "192.0.2.1:624: Get Chassis Status failed after 1.5 s" in str(found)


def test_a_reset_without_an_answer_is_of_a_kind_of_its_own():
    found = command_line.failure(bmc(), HARD_RESET, 1.0, "")
    assert type(found) is errors.Unanswered
    # It was never sent, so it may be tried again.
    found = command_line.failure(bmc(), HARD_RESET, 1.0, UNABLE)
    assert type(found) is errors.Unreachable


def test_bytes_that_were_sent_are_not_shown():
    printed = "RAW REQUEST (2 bytes)\n 68 75\n" + UNABLE
    found = command_line.failure(bmc(), POWER_UP, 1.0, printed)
    assert "68 75" not in str(found)
