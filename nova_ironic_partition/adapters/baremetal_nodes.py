# SPDX-License-Identifier: Apache-2.0
"""Lists nodes of the Bare Metal API as slim records.

Pages are read through openstacksdk's authenticated adapter, but not into its
resource objects, which cost 0.5 ms of CPU each. A listing is all pages or
:class:`InventoryError`, never a part.
"""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from keystoneauth1 import exceptions as ksa_exc
from openstack import exceptions as sdk_exc
from openstack import utils as sdk_utils

from nova_ironic_partition.core.snapshot import FIELDS, NodeRecord, Scope
from nova_ironic_partition.ports import InventoryError

#: Filtering by conductor group; lists traits and resource class as well.
CONDUCTOR_GROUP_VERSION = "1.46"
SHARD_VERSION = "1.82"
#: Seconds for one page where nova's own [ironic]timeout is not set.
PAGE_TIMEOUT = 60.0
#: For more instances than this, all nodes that have one are listed.
MOST_SINGLE_QUERIES = 20
#: A server whose next links never end is broken.
MOST_PAGES = 100_000


class VersionError(Exception):
    """The Bare Metal API lacks a needed microversion. No retry helps.

    :param needed: str, the microversion.
    """

    def __init__(self, needed: str, purpose: str) -> None:
        super().__init__(
            f"The Bare Metal API does not offer microversion {needed}, "
            f"which is needed to {purpose}. Upgrade the bare metal service."
        )
        self.needed = needed


class BaremetalNodes:
    """Implements :class:`nova_ironic_partition.ports.NodeInventory`.

    :param connection: returns the SDK proxy of the bare metal service; may
        raise while the service is not reachable.
    :param timeout: seconds for one page; ``None`` leaves it to the session.
    """

    def __init__(
        self, connection: Callable[[], Any], timeout: float | None
    ) -> None:
        self._connection = connection
        self._timeout = {} if timeout is None else {"timeout": timeout}

    def require(self, scope: Scope) -> None:
        """Refuse a service that cannot filter by the scope.

        :raises VersionError: too old.
        :raises InventoryError: not reachable, so not known.
        """
        needed = _version(scope)
        try:
            offered = sdk_utils.supports_microversion(
                self._connection(), needed
            )
        except Exception as exc:
            raise InventoryError(f"cannot be reached: {exc}") from exc
        if not offered:
            raise VersionError(
                needed,
                "filter nodes by shard"
                if scope.shard
                else "filter nodes by conductor group",
            )

    def nodes(self, scope: Scope) -> list[NodeRecord]:
        """All nodes of the scope.

        :raises InventoryError: no complete answer.
        """
        query = {"fields": ",".join(FIELDS)}
        if scope.key is not None:
            query["conductor_group"] = scope.key.value
        if scope.shard:
            query["shard"] = scope.shard
        records: list[NodeRecord] = []
        for page in self._pages(query, _version(scope)):
            records.extend(_records(page))
        return records

    def with_instances(self, instances: Iterable[str]) -> list[NodeRecord]:
        """The nodes of these instances, in whatever scope they are.

        :raises InventoryError: no complete answer.
        """
        wanted = set(instances)
        fields = {"fields": ",".join(FIELDS)}
        if len(wanted) <= MOST_SINGLE_QUERIES:
            queries = [{**fields, "instance_uuid": i} for i in sorted(wanted)]
        else:
            queries = [{**fields, "associated": "True"}]
        return [
            record
            for query in queries
            for page in self._pages(query, CONDUCTOR_GROUP_VERSION)
            for record in _records(page)
            if record.instance_id in wanted
        ]

    def groups(self) -> list[str]:
        """The conductor groups that nodes are in, sorted; '' is the default.

        :raises InventoryError: no complete answer.
        """
        pages = self._pages(
            {"fields": "conductor_group"}, CONDUCTOR_GROUP_VERSION
        )
        try:
            return sorted(
                {
                    node["conductor_group"] or ""
                    for page in pages
                    for node in page
                }
            )
        except (KeyError, TypeError) as exc:
            raise InventoryError(
                "answered a node without conductor_group"
            ) from exc

    def _pages(
        self, query: dict[str, str], version: str
    ) -> Iterator[list[dict[str, Any]]]:
        for _ in range(MOST_PAGES):
            body = self._get(query, version)
            try:
                yield body["nodes"]
                link = body.get("next")
                # Only the query is taken from the link: behind a proxy its
                # address may not be reachable from here.
                following = dict(
                    urllib.parse.parse_qsl(
                        urllib.parse.urlsplit(link).query,
                        keep_blank_values=True,
                    )
                    if link
                    else ()
                )
            except (KeyError, TypeError, AttributeError, ValueError) as exc:
                raise InventoryError(
                    "answered something that is no list of nodes"
                ) from exc
            if not following:
                return
            if following == query:
                raise InventoryError("links a page of nodes to itself")
            query = following
        raise InventoryError(f"linked more than {MOST_PAGES} pages of nodes")

    def _get(self, query: dict[str, str], version: str) -> Any:
        try:
            response = self._connection().get(
                "/nodes", params=query, microversion=version, **self._timeout
            )
            sdk_exc.raise_from_response(response)
            return json.loads(response.content)
        except (
            sdk_exc.SDKException,
            ksa_exc.ClientException,
            ValueError,
        ) as exc:
            raise InventoryError(f"GET /nodes failed: {exc}") from exc


def _version(scope: Scope) -> str:
    return SHARD_VERSION if scope.shard else CONDUCTOR_GROUP_VERSION


def _records(page: list[dict[str, Any]]) -> Iterator[NodeRecord]:
    make = NodeRecord._make
    try:
        for node in page:
            yield make([node[field] for field in FIELDS])
    except (KeyError, TypeError) as exc:
        raise InventoryError(
            f"answered a node without the field {exc}"
        ) from exc
