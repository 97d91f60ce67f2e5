# SPDX-License-Identifier: Apache-2.0
"""What won't do is refused with the field's name and with what would."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baremetal_backend.conf.ipmi import IpmiSettings
from baremetal_backend.core.errors import HardwareRefused
from baremetal_backend.drivers.ipmi import driver_info, password_file
from baremetal_backend.drivers.ipmi.bmc import Bridge, Privilege, Secret

INFO = {"ipmi_address": "192.0.2.1"}
SECRET = "hunter-2-secret"


def no_file(path):
    raise FileNotFoundError(2, "No such file or directory")


def native(read_file=no_file, settings=None, **fields):
    return driver_info.native(
        INFO | fields, settings or IpmiSettings(), read_file
    )


def test_an_address_is_enough():
    found = native()
    assert (found.bmc.address, found.bmc.port) == ("192.0.2.1", 623)
    assert found.bmc.username == b""
    assert found.bmc.privilege is Privilege.ADMINISTRATOR
    assert found.bmc.cipher_suites == (17, 3)
    assert found.bridge is None
    assert found.disable_boot_timeout
    assert not found.force_boot_device


def test_everything_that_can_be_said_is_read():
    found = native(
        ipmi_address="bmc-7.example.org",
        ipmi_port="6230",
        ipmi_username="admin",
        ipmi_password="pässword",
        ipmi_priv_level="operator",
        ipmi_cipher_suite="3",
        ipmi_protocol_version="2.0",
        ipmi_hex_kg_key="0x" + "0A" * 20,
        ipmi_bridging="single",
        ipmi_target_channel="0x07",
        ipmi_target_address=130,
        ipmi_terminal_port=10001,
        ipmi_force_boot_device="True",
        ipmi_disable_boot_timeout=False,
    )
    assert found.bmc.where == "bmc-7.example.org:6230"
    assert found.bmc.username == b"admin"
    assert found.bmc.password == Secret("pässword".encode())
    assert found.bmc.privilege is Privilege.OPERATOR
    assert found.bmc.cipher_suites == (3,)
    assert found.bmc.key == Secret(b"\x0a" * 20)
    assert found.bridge == Bridge(7, 0x82)
    assert found.terminal_port == 10001
    assert found.force_boot_device
    assert not found.disable_boot_timeout


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("::1", "::1"),
        ("[2001:DB8::1]", "2001:db8::1"),
        (" 192.0.2.7 ", "192.0.2.7"),
        ("bmc_7", "bmc_7"),
        ("rack-1.", "rack-1."),
    ],
)
def test_addresses_and_names_are_taken_as_people_write_them(written, address):
    assert native(ipmi_address=written).bmc.address == address


WRONG = [
    ({"ipmi_address": None}, "ipmi_address: is missing"),
    ({"ipmi_address": ""}, "ipmi_address: is missing"),
    ({"ipmi_address": 7}, "ipmi_address: 7 is not a text"),
    ({"ipmi_address": "192.0.2.256"}, "neither an IP address nor a host"),
    ({"ipmi_address": "192.0.2.1:624"}, "a port goes to ipmi_port"),
    ({"ipmi_address": "a b"}, "ipmi_address"),
    ({"ipmi_address": "-o ProxyCommand=x"}, "ipmi_address"),
    ({"ipmi_port": 70000}, "ipmi_port: 70000 is not a whole number from 1"),
    ({"ipmi_port": "x"}, "ipmi_port"),
    ({"ipmi_port": 0}, "ipmi_port"),
    ({"ipmi_port": True}, "ipmi_port"),
    ({"ipmi_port": 623.0}, "ipmi_port"),
    ({"ipmi_port": "\u0666\u0662\u0663"}, "ipmi_port"),
    ({"ipmi_username": "x" * 17}, "ipmi_username: has 17 bytes"),
    ({"ipmi_username": 5}, "ipmi_username: is not a text"),
    ({"ipmi_password": "x" * 21}, "ipmi_password: has 21 bytes"),
    ({"ipmi_password": "a\nb"}, "ipmi_password: has a control character"),
    ({"ipmi_password": 1234}, "ipmi_password: is not a text"),
    ({"ipmi_password_file": "x"}, "ipmi_password_file: can't read 'x': No"),
    ({"ipmi_password_file": 7}, "ipmi_password_file: is not the path"),
    (
        {"ipmi_password_file": "x", "ipmi_password": SECRET},
        "ipmi_password_file: contradicts ipmi_password",
    ),
    ({"ipmi_priv_level": "root"}, "ipmi_priv_level: 'root' is unknown"),
    ({"ipmi_priv_level": 4}, "ipmi_priv_level"),
    ({"ipmi_cipher_suite": 99}, "ipmi_cipher_suite: 99 is not"),
    ({"ipmi_cipher_suite": 8}, "ipmi_cipher_suite: 8 is not spoken natively"),
    ({"ipmi_protocol_version": "1.5"}, "choose the ipmitool interfaces"),
    ({"ipmi_protocol_version": "3"}, "ipmi_protocol_version: '3' is unknown"),
    ({"ipmi_hex_kg_key": "12"}, "ipmi_hex_kg_key: is not made of 40"),
    ({"ipmi_hex_kg_key": SECRET}, "ipmi_hex_kg_key"),
    ({"ipmi_bridging": "triple"}, "ipmi_bridging: 'triple' is unknown"),
    ({"ipmi_bridging": "single"}, "ipmi_target_channel: is missing"),
    (
        {"ipmi_bridging": "single", "ipmi_target_channel": 1},
        "ipmi_target_address: is missing; ipmi_bridging single needs it",
    ),
    (
        {"ipmi_target_channel": 1},
        "ipmi_target_channel: contradicts ipmi_bridging no",
    ),
    (
        {
            "ipmi_bridging": "single",
            "ipmi_target_channel": 1,
            "ipmi_target_address": 1,
            "ipmi_transit_channel": 1,
        },
        "ipmi_transit_channel: contradicts ipmi_bridging single",
    ),
    (
        {
            "ipmi_bridging": "dual",
            "ipmi_target_channel": 1,
            "ipmi_target_address": 1,
        },
        "ipmi_transit_channel: is missing",
    ),
    (
        {
            "ipmi_bridging": "dual",
            "ipmi_target_channel": 1,
            "ipmi_target_address": 1,
            "ipmi_transit_channel": 1,
            "ipmi_transit_address": 1,
        },
        "ipmi_bridging: dual is not possible natively",
    ),
    ({"ipmi_local_address": 32}, "ipmi_local_address: contradicts"),
    ({"ipmi_target_channel": 99}, "from 0 to 15"),
    ({"ipmi_terminal_port": 65536}, "ipmi_terminal_port"),
    ({"ipmi_force_boot_device": "maybe"}, "ipmi_force_boot_device"),
    ({"ipmi_disable_boot_timeout": 2}, "ipmi_disable_boot_timeout"),
]


@pytest.mark.parametrize(("fields", "text"), WRONG)
def test_what_is_wrong_is_named(fields, text):
    with pytest.raises(HardwareRefused) as caught:
        native(**fields)
    assert text in caught.value.message
    assert caught.value.message.startswith("driver_info ipmi_")
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "fields",
    [
        {"ipmi_password": SECRET * 2},
        {"ipmi_password": SECRET + "\0"},
        {"ipmi_hex_kg_key": SECRET},
        {"ipmi_password": SECRET, "ipmi_port": 0},
    ],
)
def test_no_refusal_shows_a_secret(fields):
    with pytest.raises(HardwareRefused) as caught:
        native(**fields)
    assert SECRET not in caught.value.message


def test_no_value_shows_a_secret():
    found = native(ipmi_password=SECRET, ipmi_hex_kg_key="ab" * 20)
    assert SECRET not in repr(found)
    assert "\\xab" not in repr(found)


def test_a_password_may_come_from_a_file_of_the_directory(tmp_path):
    root = tmp_path / "passwords"
    root.mkdir()
    (root / "seven").write_text(f"{SECRET}\nsecond line\n")
    read = password_file.reader(str(root))
    for name in ("seven", str(root / "seven")):
        found = native(read, ipmi_password_file=name)
        assert found.bmc.password == Secret(SECRET.encode())


def test_a_file_elsewhere_is_not_read(tmp_path):
    root = tmp_path / "passwords"
    root.mkdir()
    (tmp_path / "shadow").write_text(SECRET)
    (root / "link").symlink_to(tmp_path / "shadow")
    read = password_file.reader(str(root))
    for name in ("../shadow", str(tmp_path / "shadow"), "link"):
        with pytest.raises(HardwareRefused) as caught:
            native(read, ipmi_password_file=name)
        assert "[ipmi]password_directory" in caught.value.message
        assert SECRET not in caught.value.message


def test_a_file_that_is_no_password_is_refused_without_its_text(tmp_path):
    (tmp_path / "long").write_text(SECRET * 9)
    read = password_file.reader(str(tmp_path))
    with pytest.raises(HardwareRefused) as caught:
        native(read, ipmi_password_file="long")
    assert "ipmi_password_file: the first line" in caught.value.message
    assert SECRET not in caught.value.message


def test_an_unreadable_file_is_named(tmp_path):
    read = password_file.reader(str(tmp_path))
    (tmp_path / "folder").mkdir()
    with pytest.raises(HardwareRefused, match=r"folder.*Is a directory"):
        native(read, ipmi_password_file="folder")


def test_the_options_hold_where_the_node_says_nothing():
    settings = IpmiSettings(
        cipher_suite_versions=(3,), disable_boot_timeout=False
    )
    found = native(settings=settings)
    assert found.bmc.cipher_suites == (3,)
    assert not found.disable_boot_timeout


def test_equal_data_make_equal_bmcs():
    assert native(ipmi_port="624").bmc == native(ipmi_port=624).bmc
    assert native(ipmi_password="a").bmc != native(ipmi_password="b").bmc


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(sorted(driver_info.PROPERTIES)), JSON))
def test_no_json_does_anything_but_pass_or_be_refused(fields):
    try:
        found = driver_info.native(fields, IpmiSettings(), no_file)
    except HardwareRefused as error:
        assert error.message.isascii()
        assert len(error.message) < 300
        json.dumps(error.message)
    else:
        assert found.bmc.address
        assert 1 <= found.bmc.port <= 65535
