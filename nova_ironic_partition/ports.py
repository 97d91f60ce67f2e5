# SPDX-License-Identifier: Apache-2.0
"""What the partition needs of the world, as small protocols.

The adapters implement them over nova and the Bare Metal API; tests over
plain dictionaries.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from nova_ironic_partition.core.hearsay import Post
from nova_ironic_partition.core.identity import HostName
from nova_ironic_partition.core.membership import ServiceRecord
from nova_ironic_partition.core.snapshot import NodeRecord, Scope


class InventoryError(Exception):
    """The Bare Metal API gave no complete answer. Worth a retry."""


class NodeInventory(Protocol):
    """The nodes, by the Bare Metal API."""

    def nodes(self, scope: Scope) -> list[NodeRecord]:
        """All nodes of the scope.

        :raises InventoryError: no complete answer.
        """

    def with_instances(self, instances: Iterable[str]) -> list[NodeRecord]:
        """The nodes of these instances, in whatever scope they are.

        :raises InventoryError: no complete answer.
        """

    def groups(self) -> list[str]:
        """The conductor groups that nodes are in; '' is the default one.

        :raises InventoryError: no complete answer.
        """


class ServiceDirectory(Protocol):
    """The nova-compute services, by Nova's service records."""

    def of(
        self, hosts: Iterable[HostName]
    ) -> Mapping[HostName, ServiceRecord]:
        """The records of these hosts; those unknown to Nova are left out."""

    def ironic(self) -> Mapping[HostName, ServiceRecord]:
        """All enabled services with a compute node of type ironic."""


class Claims(Protocol):
    """Who has what, by Nova's instances and compute node rows."""

    def instances_of(self, host: HostName) -> frozenset[str]:
        """The uuids of the instances whose host this is."""

    def known_rows(self) -> frozenset[str]:
        """The ids of the nodes whose row this host holds.

        As of the last resource tracker run; costs nothing.
        """

    def holders_of(self, node_ids: Iterable[str]) -> Mapping[str, HostName]:
        """The holder of each of these nodes that has a row, now."""


class Announcements(Protocol):
    """What services announced in rows of theirs, by Nova's records."""

    def in_rows(self, node_ids: Iterable[str]) -> list[Post]:
        """What stands in the rows of these nodes, written by their host."""

    def of_host(self, host: HostName) -> tuple[int, list[Post]]:
        """How many rows a host has, and what stands in them.

        Reads all of them, at 0.4 ms of CPU each.
        """
