# SPDX-License-Identifier: Apache-2.0
"""The versions of the API: one line each, and how a request names one.

A version is written as its minor number; the major one is always 1. What a
version changes is data beside the thing it changes: fields in the tables of
the resource modules, URLs in ``routes``, filters and verbs in theirs.

``(-)`` marks a version whose resource or verb this service does not offer
yet: it answers as for a disabled interface (400) or unknown resource (404).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from baremetal_backend.api.faults import NotAcceptable

MAJOR = 1

#: What each version brought, as far as a client of this service sees it.
VERSIONS: Mapping[int, str] = {
    1: "nodes, ports, chassis, drivers",
    2: 'provision state "available" instead of null',
    3: "node.driver_internal_info",
    4: "verbs manage and provide",
    5: "node.name, names in URLs",
    6: "verb inspect, node.inspection_started_at and _finished_at",
    7: "node.clean_step",
    8: "?fields=",
    9: "?provision_state=",
    10: "names of all unreserved characters",
    11: "new nodes are in state enroll",
    12: "node.raid_config and target_raid_config",
    13: "verb abort",
    14: "links to states and driver properties",
    15: "verb clean",
    16: "?driver=",
    17: "verb adopt",
    18: "port.internal_info",
    19: "port.local_link_connection and pxe_enabled",
    20: "node.network_interface",
    21: "node.resource_class and its filter",
    22: "lookup and heartbeat",
    23: "port groups",
    24: "port.portgroup_uuid, node/portgroups, portgroup/ports",
    25: "chassis_uuid can be removed from a node",
    26: "portgroup.mode and properties",
    27: "soft power off, soft rebooting, timeout",
    28: "node/vifs",
    29: "inject_nmi",
    30: "dynamic drivers: type, interfaces",
    31: "node.*_interface",
    32: "volume connectors and targets",
    33: "node.storage_interface",
    34: "port.physical_network",
    35: "configdrive with rebuild",
    36: "agent version in heartbeat",
    37: "node traits",
    38: "verbs rescue and unrescue, node.rescue_interface",
    39: 'state "inspect wait" is shown',
    40: "node.bios_interface, node/bios",
    41: "abort in inspect wait",
    42: "node.fault and its filter",
    43: "?detail=",
    44: "node.deploy_step",
    45: "?reset_interfaces=",
    46: "node.conductor_group and its filter",
    47: "node.automated_clean",
    48: "node.protected and protected_reason",
    49: "node.conductor, conductors",
    50: "node.owner and its filter",
    51: "node.description and ?description_contains=",
    52: "node.allocation_uuid; (-) allocations",
    53: "port.is_smartnic",
    54: "(-) events",
    55: "(-) deploy templates",
    56: "configdrive as an object",
    57: "(-) allocations can be changed",
    58: "(-) allocations for existing instances",
    59: "vendor data in a configdrive",
    60: "(-) allocation.owner",
    61: "node.retired and retired_reason, ?retired=",
    62: "agent tokens",
    63: "(-) indicators",
    64: "local_link_connection.network_type",
    65: "node.lessee and its filter",
    66: "node.network_data",
    67: "(-) vif for a port or port group",
    68: "agent_verify_ca in heartbeat",
    69: "deploy_steps",
    70: "disable_ramdisk with clean",
    71: "scope of roles",
    72: "agent status in heartbeat",
    73: "verbs deploy and undeploy",
    74: "(-) bios registry",
    75: "node.boot_mode and secure_boot",
    76: "states/boot_mode and secure_boot",
    77: "?fields= and ?detail= of drivers",
    78: "node/history",
    79: "(-) allocations prefer the node's name",
    80: "nodes made by projects themselves",
    81: "node/inventory",
    82: "node.shard, its filters, shards",
    83: "node.parent_node, ?parent_node=, ?include_children=",
    84: "(-) continue_inspection",
    85: "verb unhold",
    86: "node.firmware_interface, node/firmware",
    87: "node.service_step, verb service",
    88: "port.name",
    89: "(-) attach and detach virtual media",
    90: "(-) ovn vtep in local_link_connection",
    91: "no special meaning of .json in names",
    92: "(-) runbooks",
    93: "(-) show virtual media",
    94: "a node's name when a port is created",
    95: "node.disable_power_off",
}

MINIMUM = min(VERSIONS)
#: Up to here every field, filter and parameter of nodes and what belongs to
#: them is served; 96 and later mostly concern resources not offered yet.
MAXIMUM = max(VERSIONS)

HEADER = "X-OpenStack-Ironic-API-Version"
MINIMUM_HEADER = "X-OpenStack-Ironic-API-Minimum-Version"
MAXIMUM_HEADER = "X-OpenStack-Ironic-API-Maximum-Version"
STANDARD_HEADER = "OpenStack-API-Version"
SERVICE_TYPE = "baremetal"

_FORM = re.compile(r"(0|[1-9][0-9]{0,4})\.(0|[1-9][0-9]{0,4})\Z", re.ASCII)


def text(minor: int) -> str:
    """``1.46`` for 46."""
    return f"{MAJOR}.{minor}"


def requested(standard: str | None, own: str | None) -> int:
    """The minor version that the two headers ask for.

    The standard header (``baremetal 1.46``, maybe among other services')
    wins; without any, it is the oldest version. Errors: NotAcceptable (406)
    for a malformed or unsupported version, as clients expect that negotiate.
    """
    wanted = _of_standard(standard) if standard else None
    if wanted is None:
        wanted = own.strip() if own else None
    if not wanted:
        return MINIMUM
    if wanted.lower() == "latest":
        return MAXIMUM
    form = _FORM.match(wanted)
    if form is None:
        raise NotAcceptable(f"Invalid value for {HEADER} header")
    major, minor = int(form[1]), int(form[2])
    if major != MAJOR or not MINIMUM <= minor <= MAXIMUM:
        raise NotAcceptable(
            f"Version {wanted} was requested but is not supported by this "
            "service. The supported version range is: "
            f"[{text(MINIMUM)}, {text(MAXIMUM)}]."
        )
    return minor


def _of_standard(header: str) -> str | None:
    """The version for this service in ``compute 2.1, baremetal 1.46``."""
    for part in header.split(","):
        service, _, version = part.strip().partition(" ")
        if service.lower() == SERVICE_TYPE:
            return version.strip() or "malformed"
    return None
