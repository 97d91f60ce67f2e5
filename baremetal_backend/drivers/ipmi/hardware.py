# SPDX-License-Identifier: Apache-2.0
"""Hardware type ``ipmi``: nodes whose BMC speaks IPMI 2.0.

A table of contents: what a node may choose, the default first.
"""

from __future__ import annotations

from baremetal_backend.drivers import base
from baremetal_backend.drivers.absent import (
    NoBios,
    NoFirmware,
    NoInspect,
    NoRaid,
    NoRescue,
)
from baremetal_backend.drivers.discoverd.interface import DiscoverdInspect
from baremetal_backend.drivers.fake.hardware import FakeBoot, FakeDeploy
from baremetal_backend.drivers.ipmi.console import IpmiConsole
from baremetal_backend.drivers.ipmi.ipmitool.interfaces import (
    IpmitoolManagement,
    IpmitoolPower,
    IpmitoolVendor,
)
from baremetal_backend.drivers.ipmi.management import IpmiManagement
from baremetal_backend.drivers.ipmi.power import IpmiPower
from baremetal_backend.drivers.ipmi.vendor import IpmiVendor
from baremetal_backend.drivers.noop import (
    DiskBoot,
    NoConsole,
    NoopDeploy,
    NoopManagement,
    NoopNetwork,
    NoopStorage,
    NoVendor,
)


class IpmiHardware(base.AbstractHardwareType):
    """Hardware type for nodes with an IPMI BMC."""

    interfaces = {
        "bios": (NoBios,),
        "boot": (DiskBoot, FakeBoot),
        "console": (IpmiConsole, NoConsole),
        "deploy": (NoopDeploy, FakeDeploy),
        "firmware": (NoFirmware,),
        "inspect": (NoInspect, DiscoverdInspect),
        "management": (IpmiManagement, IpmitoolManagement, NoopManagement),
        "network": (NoopNetwork,),
        "power": (IpmiPower, IpmitoolPower),
        "raid": (NoRaid,),
        "rescue": (NoRescue,),
        "storage": (NoopStorage,),
        "vendor": (IpmiVendor, IpmitoolVendor, NoVendor),
    }


__all__ = ["IpmiHardware"]
