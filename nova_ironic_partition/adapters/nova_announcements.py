# SPDX-License-Identifier: Apache-2.0
"""Reads what services announced in the statistics of their nodes.

Nova's resource tracker writes them there: they are part of what the driver
answers to ``get_available_resource``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from nova import context as nova_context
from nova import exception, objects

from nova_ironic_partition.adapters.nova_claims import BATCH
from nova_ironic_partition.core import epoch
from nova_ironic_partition.core.hearsay import Post
from nova_ironic_partition.core.identity import HostName

#: The name among the statistics. Nova itself gives a meaning to names that
#: begin with num_, and flavors may ask for others by their name.
STATISTIC = "ironic_partition"


class NovaAnnouncements:
    """Implements :class:`nova_ironic_partition.ports.Announcements`."""

    def in_rows(self, node_ids: Iterable[str]) -> list[Post]:
        """What stands in the rows of these nodes, written by their host."""
        context = nova_context.get_admin_context()
        ids = list(node_ids)
        posts: list[Post] = []
        for start in range(0, len(ids), BATCH):
            posts.extend(
                _posts(
                    objects.ComputeNodeList.get_all_by_uuids(
                        context, ids[start : start + BATCH]
                    )
                )
            )
        return posts

    def of_host(self, host: HostName) -> tuple[int, list[Post]]:
        """How many rows a host has, and what stands in them."""
        try:
            rows = objects.ComputeNodeList.get_all_by_host(
                nova_context.get_admin_context(), host.display
            )
        except exception.ComputeHostNotFound:
            return 0, []
        return len(rows), list(_posts(rows))


def _posts(rows: Iterable[Any]) -> Iterator[Post]:
    for row in rows:
        stats = row.stats if row.obj_attr_is_set("stats") else None
        found = epoch.read((stats or {}).get(STATISTIC))
        # A row that has just changed its host still has the words of the
        # one before.
        if found is not None and found.host == HostName(row.host):
            yield Post(row.uuid, found)
