# SPDX-License-Identifier: Apache-2.0
"""The hardware type: what a node with ``driver: shelf`` is made of."""

from __future__ import annotations

from baremetal_backend.drivers.base import AbstractHardwareType
from baremetal_backend.drivers.noop import (
    NoConsole,
    NoopNetwork,
    NoopStorage,
    NoVendor,
)
from shelf_hardware.deploy import ShelfBoot, ShelfDeploy
from shelf_hardware.management import ShelfManagement
from shelf_hardware.power import ShelfPower


class ShelfHardware(AbstractHardwareType):
    """Servers in a shelf with one controller."""

    interfaces = {
        "boot": (ShelfBoot,),
        "console": (NoConsole,),
        "deploy": (ShelfDeploy,),
        "management": (ShelfManagement,),
        "network": (NoopNetwork,),
        "power": (ShelfPower,),
        "storage": (NoopStorage,),
        "vendor": (NoVendor,),
    }
