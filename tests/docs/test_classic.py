# SPDX-License-Identifier: Apache-2.0
"""The page on classic names says what the code does."""

from __future__ import annotations

import re

import pytest

from baremetal_backend.conf import ssh
from baremetal_backend.drivers import classic
from baremetal_backend.drivers.ssh import boot_order, driver_info
from tests.docs import pages

PAGE = (pages.SOURCE / "admin" / "classic.rst").read_text()


def test_every_field_of_driver_info_is_explained():
    assert set(re.findall(r"``(ssh_\w+)``", PAGE)) == set(
        driver_info.PROPERTIES
    )


@pytest.mark.parametrize("option", [one.name for one in ssh.options()])
def test_every_option_is_explained(option):
    assert f"[ssh]{option}" in PAGE


@pytest.mark.parametrize(
    ("name", "hardware"),
    [
        ("pxe_ipmitool", classic.PxeIpmitoolHardware),
        ("pxe_ipminative", classic.PxeIpminativeHardware),
        ("pxe_ssh", classic.PxeSshHardware),
    ],
)
def test_what_comes_first_is_in_the_table(name, hardware):
    row = PAGE.split(f"   * - ``{name}``\n     - ")[1].split("\n")[0]
    shown = re.findall("``(.*?)``", row)
    power = [one.name for one in hardware.interfaces["power"]]
    assert shown == power
    assert hardware.interfaces["management"][0].name == shown[0]


def test_boot_devices_are_named():
    words = [f"``{one}``" for one in boot_order.DEVICES]
    assert f"{words[0]}, {words[1]} and {words[2]}." in PAGE
