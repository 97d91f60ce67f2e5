# SPDX-License-Identifier: Apache-2.0
"""Hardware types by the names of Ironic's classic drivers.

Such a name said which interfaces a node has; here it only says which ones
come first, and a node may choose among the others. Inspection from within
comes first in all of them.
"""

from __future__ import annotations

from collections.abc import Mapping

from baremetal_backend.drivers import base
from baremetal_backend.drivers.discoverd.interface import DiscoverdInspect
from baremetal_backend.drivers.ipmi.hardware import IpmiHardware
from baremetal_backend.drivers.ipmi.ipmitool.interfaces import (
    IpmitoolManagement,
    IpmitoolPower,
    IpmitoolVendor,
)
from baremetal_backend.drivers.ipmi.management import IpmiManagement
from baremetal_backend.drivers.ipmi.power import IpmiPower
from baremetal_backend.drivers.ipmi.vendor import IpmiVendor
from baremetal_backend.drivers.noop import (
    NoConsole,
    NoopManagement,
    NoVendor,
)
from baremetal_backend.drivers.ssh.management import SshManagement
from baremetal_backend.drivers.ssh.power import SshPower

_Table = Mapping[str, tuple[type[base.Interface], ...]]


def beginning_with(table: _Table, *first: type[base.Interface]) -> _Table:
    """The same offers, these before all others of their interface type."""
    found = dict(table)
    for one in first:
        rest = [other for other in found.get(one.kind, ()) if other != one]
        found[one.kind] = (one, *rest)
    return found


class PxeIpmitoolHardware(base.AbstractHardwareType):
    """As ``ipmi``, by the program ipmitool."""

    interfaces = beginning_with(
        IpmiHardware.interfaces,
        DiscoverdInspect,
        IpmitoolManagement,
        IpmitoolPower,
        IpmitoolVendor,
    )


class PxeIpminativeHardware(base.AbstractHardwareType):
    """As ``ipmi``, without a program."""

    interfaces = beginning_with(
        IpmiHardware.interfaces,
        DiscoverdInspect,
        IpmiManagement,
        IpmiPower,
        IpmiVendor,
    )


class PxeSshHardware(base.AbstractHardwareType):
    """A virtual machine whose host is reached over SSH."""

    interfaces = beginning_with(
        {
            **IpmiHardware.interfaces,
            "console": (NoConsole,),
            "management": (SshManagement, NoopManagement),
            "power": (SshPower,),
            "vendor": (NoVendor,),
        },
        DiscoverdInspect,
    )


__all__ = [
    "PxeIpminativeHardware",
    "PxeIpmitoolHardware",
    "PxeSshHardware",
    "beginning_with",
]
