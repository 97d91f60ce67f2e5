# SPDX-License-Identifier: Apache-2.0
"""Reads which host has which instance and which node, by Nova's records.

The compute node rows are written by nova's resource tracker only; see
:mod:`nova_ironic_partition.core.ownership`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from nova import context as nova_context
from nova import objects

from nova_ironic_partition.core.identity import HostName

#: Nodes per query, below the smallest limit on bound parameters (SQLite).
BATCH = 500


class NovaClaims:
    """Implements :class:`nova_ironic_partition.ports.Claims`.

    :param manager: returns nova's compute manager.
    """

    def __init__(self, manager: Callable[[], Any]) -> None:
        self._manager = manager

    def instances_of(self, host: HostName) -> frozenset[str]:
        """The uuids of the instances whose host this is."""
        return frozenset(
            objects.InstanceList.get_uuids_by_host(
                nova_context.get_admin_context(), host.display
            )
        )

    def known_rows(self) -> frozenset[str]:
        """The ids of the nodes whose row this host holds.

        From the resource tracker's own cache: reading all rows costs 0.4 ms
        of CPU each, and the resource tracker does it once per run anyway.
        """
        return frozenset(self._manager().rt.compute_nodes)

    def holders_of(self, node_ids: Iterable[str]) -> dict[str, HostName]:
        """The holder of each of these nodes that has a row, now."""
        context = nova_context.get_admin_context()
        ids = list(node_ids)
        holders: dict[str, HostName] = {}
        for start in range(0, len(ids), BATCH):
            rows = objects.ComputeNodeList.get_all_by_uuids(
                context, ids[start : start + BATCH]
            )
            holders.update((row.uuid, HostName(row.host)) for row in rows)
        return holders
