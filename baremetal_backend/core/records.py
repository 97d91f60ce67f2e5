# SPDX-License-Identifier: Apache-2.0
"""What is stored, as immutable values.

A record is a snapshot: it shows its row as it was read, with the row's
``version`` at that time, and never changes. Its mappings are read-only by
agreement; who wants another value builds a new one and writes it through the
storage, naming the version it saw.

All timestamps are text in the form that the API answers with,
``2026-01-31T12:00:00+00:00`` (UTC, whole seconds): that form sorts by time,
and a list needs no conversion.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Json = Mapping[str, Any]

#: The interface types of a node, in the order in which they are shown.
INTERFACES = (
    "bios",
    "boot",
    "console",
    "deploy",
    "firmware",
    "inspect",
    "management",
    "network",
    "power",
    "raid",
    "rescue",
    "storage",
    "vendor",
)

#: Records beside nodes that are created, changed and removed alike.
ResourceKind = Literal[
    "port", "portgroup", "volume_connector", "volume_target", "chassis"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A bare metal node. ``version`` grows with every write of the row."""

    uuid: str
    driver: str
    name: str | None = None
    driver_info: Json = field(default_factory=dict)
    driver_internal_info: Json = field(default_factory=dict)
    properties: Json = field(default_factory=dict)
    extra: Json = field(default_factory=dict)
    instance_uuid: str | None = None
    instance_name: str | None = None
    instance_info: Json = field(default_factory=dict)
    resource_class: str | None = None
    #: Lower case; '' is the default group.
    conductor_group: str = ""
    shard: str | None = None
    owner: str | None = None
    lessee: str | None = None
    description: str | None = None
    power_state: str | None = None
    target_power_state: str | None = None
    provision_state: str = "enroll"
    target_provision_state: str | None = None
    provision_updated_at: str | None = None
    last_error: str | None = None
    maintenance: bool = False
    maintenance_reason: str | None = None
    fault: str | None = None
    #: Host of the conductor that has the node's exclusive use, or None.
    reservation: str | None = None
    #: Number of the node's latest lease, in force while ``reservation`` is
    #: set. A lease's writes name it and are refused once it is another.
    lease_token: int = 0
    #: Grows with each write of ``provision_state``: tells this stay in a
    #: state from all earlier ones, also within one second.
    transition: int = 0
    console_enabled: bool = False
    traits: tuple[str, ...] = ()
    automated_clean: bool | None = None
    protected: bool = False
    protected_reason: str | None = None
    retired: bool = False
    retired_reason: str | None = None
    disable_power_off: bool = False
    network_data: Json = field(default_factory=dict)
    parent_node: str | None = None
    chassis_uuid: str | None = None
    allocation_uuid: str | None = None
    boot_mode: str | None = None
    secure_boot: bool | None = None
    health: str | None = None
    raid_config: Json = field(default_factory=dict)
    target_raid_config: Json = field(default_factory=dict)
    clean_step: Json = field(default_factory=dict)
    deploy_step: Json = field(default_factory=dict)
    service_step: Json = field(default_factory=dict)
    inspection_started_at: str | None = None
    inspection_finished_at: str | None = None
    bios_interface: str | None = None
    boot_interface: str | None = None
    console_interface: str | None = None
    deploy_interface: str | None = None
    firmware_interface: str | None = None
    inspect_interface: str | None = None
    management_interface: str | None = None
    network_interface: str | None = None
    power_interface: str | None = None
    raid_interface: str | None = None
    rescue_interface: str | None = None
    storage_interface: str | None = None
    vendor_interface: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    version: int = 1

    def interface(self, kind: str) -> str | None:
        """Name of the node's interface of this kind, such as ``power``."""
        value: str | None = getattr(self, f"{kind}_interface")
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A network card of a node."""

    uuid: str
    node_uuid: str
    #: MAC address, lower case.
    address: str
    name: str | None = None
    portgroup_uuid: str | None = None
    local_link_connection: Json = field(default_factory=dict)
    internal_info: Json = field(default_factory=dict)
    extra: Json = field(default_factory=dict)
    pxe_enabled: bool = True
    physical_network: str | None = None
    is_smartnic: bool = False
    description: str | None = None
    vendor: str | None = None
    category: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    version: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Portgroup:
    """Several network cards of a node that act as one."""

    uuid: str
    node_uuid: str
    name: str | None = None
    address: str | None = None
    mode: str | None = None
    properties: Json = field(default_factory=dict)
    internal_info: Json = field(default_factory=dict)
    extra: Json = field(default_factory=dict)
    standalone_ports_supported: bool = True
    physical_network: str | None = None
    category: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    version: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeConnector:
    """How a node names itself to a storage system."""

    uuid: str
    node_uuid: str
    type: str
    connector_id: str
    extra: Json = field(default_factory=dict)
    created_at: str | None = None
    updated_at: str | None = None
    version: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeTarget:
    """A remote volume that a node uses."""

    uuid: str
    node_uuid: str
    volume_type: str
    volume_id: str
    boot_index: int
    properties: Json = field(default_factory=dict)
    extra: Json = field(default_factory=dict)
    created_at: str | None = None
    updated_at: str | None = None
    version: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Chassis:
    """A box, or any other grouping, that nodes are in."""

    uuid: str
    description: str | None = None
    extra: Json = field(default_factory=dict)
    created_at: str | None = None
    updated_at: str | None = None
    version: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEvent:
    """One thing that happened to a node: a transition, an error."""

    uuid: str
    node_uuid: str
    #: ``INFO`` or ``ERROR``.
    severity: str
    #: ``provisioning``, ``power``, ``maintenance``, ``takeover``, ...
    event_type: str
    #: The sentence that was logged.
    event: str
    #: Host that did it.
    conductor: str | None = None
    user: str | None = None
    created_at: str | None = None


@dataclass(frozen=True, slots=True)
class Inventory:
    """What an inspection found in a node."""

    #: Interfaces, disks, memory, processors, ..., as the ramdisk says it.
    inventory: Json
    #: Whatever else the ramdisk and the service's plug-ins collected.
    plugin_data: Json


@dataclass(frozen=True, slots=True)
class Holder:
    """Who may have leases: one process, from its start to its end.

    A conductor that comes back has the same host and another incarnation.
    """

    host: str
    #: A uuid that is made at each start.
    incarnation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The exclusive use of a node: who has it, what for, since when."""

    node_uuid: str
    holder: str
    incarnation: str
    purpose: str
    #: What kind of work it is, as in ``core.lanes``.
    lane: str
    acquired_at: str
    #: When it ends unless it is renewed; for people, not for decisions.
    expires_at: str
    token: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConductorRecord:
    """A registered conductor, as its row was read."""

    host: str
    incarnation: str
    #: Lower case; '' is the default group.
    conductor_group: str = ""
    #: Hardware type to interface type to names; the first is the default.
    hardware_types: Json = field(default_factory=dict)
    #: ``active``, ``draining`` or ``gone``.
    state: str = "active"
    #: Grows with each renewal. Others watch it change; no clock is compared.
    beat: int = 0
    #: Where the process runs, for a second one of the same host name.
    process: str = ""
    registered_at: str
    renewed_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFilter:
    """Which nodes a list shows. None means: not asked for.

    All given conditions must hold.
    """

    #: Compared without regard to case; '' is the default group.
    conductor_group: str | None = None
    instance_uuid: str | None = None
    #: True: only nodes with an instance; False: only nodes without.
    associated: bool | None = None
    resource_class: str | None = None
    provision_state: str | None = None
    maintenance: bool | None = None
    #: Any of these shards.
    shards: tuple[str, ...] | None = None
    #: True: only nodes in a shard; False: only nodes in none.
    sharded: bool | None = None
    driver: str | None = None
    fault: str | None = None
    owner: str | None = None
    lessee: str | None = None
    #: Nodes that this project owns or leases.
    project: str | None = None
    #: Part of the description, without regard to case.
    description_contains: str | None = None
    retired: bool | None = None
    chassis_uuid: str | None = None
    parent_node: str | None = None
    #: True: leave out nodes that have a parent.
    top_level: bool | None = None
    reservation: str | None = None
    power_state: str | None = None


__all__ = [
    "INTERFACES",
    "Chassis",
    "ConductorRecord",
    "HistoryEvent",
    "Holder",
    "Inventory",
    "Json",
    "Lease",
    "Node",
    "NodeFilter",
    "Port",
    "Portgroup",
    "ResourceKind",
    "VolumeConnector",
    "VolumeTarget",
]
