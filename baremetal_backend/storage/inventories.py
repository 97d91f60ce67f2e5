# SPDX-License-Identifier: Apache-2.0
"""What the last inspection of each node collected.

One row per node, which a new inspection replaces and which goes with the
node. It is megabytes of JSON at times, hence it is no column of the node, and
is answered as the text that is stored. Guarantees that both parts are of the
same inspection. It knows nothing of what the parts say.
"""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

from baremetal_backend.core.errors import InvalidParameterValue, NodeNotFound
from baremetal_backend.core.records import Inventory
from baremetal_backend.storage.database import REPEATABLE, Database
from baremetal_backend.storage.tables import NODE_INVENTORY, NODES

_I = NODE_INVENTORY.c

#: Most characters of both texts. MariaDB takes 16 MiB in a statement by its
#: own choice, and a quotation mark or backslash is two characters there.
LARGEST = 7_500_000


class Inventories:
    """The table of inventories."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, node_uuid: str, inventory: Inventory) -> None:
        """Put it in the place of what was there.

        Errors: NodeNotFound; StorageUnavailable; InvalidParameterValue when
        it is no JSON or longer than ``LARGEST``.
        """
        row = {
            "node_uuid": node_uuid,
            "inventory": _text(inventory.inventory),
            "plugin_data": _text(inventory.plugin_data),
        }
        size = len(row["inventory"]) + len(row["plugin_data"])
        if size > LARGEST:
            raise InvalidParameterValue(
                f"The inventory of node {node_uuid} has {size} characters; "
                f"{LARGEST} are kept at most."
            )

        def work(connection: sa.Connection) -> None:
            # Whoever else keeps or removes something of this node waits.
            node = sa.select(NODES.c.id).where(NODES.c.uuid == node_uuid)
            if connection.scalar(node.with_for_update()) is None:
                raise NodeNotFound(node_uuid)
            connection.execute(
                sa.delete(NODE_INVENTORY).where(_I.node_uuid == node_uuid)
            )
            connection.execute(sa.insert(NODE_INVENTORY), row)

        self._database.write(work, confirm=REPEATABLE)

    def texts(self, node_uuid: str) -> tuple[str, str] | None:
        """JSON texts of the inventory and of what else was collected.

        None: nothing was kept. Errors: StorageUnavailable.
        """
        query = sa.select(_I.inventory, _I.plugin_data).where(
            _I.node_uuid == node_uuid
        )
        row = self._database.read(lambda c: c.execute(query).first())
        return None if row is None else (row[0], row[1])


def _text(value: Any) -> str:
    """JSON in ASCII: half characters, as tools print them, are kept so."""
    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidParameterValue(
            f"An inventory can't be kept: {error}."
        ) from error


__all__ = ["LARGEST", "Inventories"]
