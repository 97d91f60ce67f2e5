# SPDX-License-Identifier: Apache-2.0
"""What an inspection collected, as both clients of Ironic fetch it."""

from __future__ import annotations

import contextlib
import json

import openstack
import pytest
from openstack import exceptions

from baremetal_backend.core.records import Inventory
from baremetal_backend.storage import Database, Storage

FOUND = {
    "interfaces": [{"name": "eth0", "mac_address": "52:54:00:00:00:01"}],
    "memory": {"physical_mb": 65536},
}
WHOLE = {"inventory": FOUND, "plugin_data": {"cpus": 4}}


@pytest.fixture
def inspected(backend):
    """Uuid of a node with an inventory."""
    node = backend.node()["uuid"]
    with contextlib.closing(
        Storage(Database(f"sqlite:///{backend.database}"))
    ) as storage:
        storage.inventories.keep(node, Inventory(*WHOLE.values()))
    yield node
    backend.http("DELETE", f"/v1/nodes/{node}")


def test_the_sdk_gets_an_inventory(backend, inspected):
    baremetal = openstack.connect(
        load_envvars=False,
        load_yaml_config=False,
        auth_type="none",
        baremetal_endpoint_override=backend.url,
    ).baremetal
    assert baremetal.get_node_inventory(inspected) == WHOLE
    other = backend.node()["uuid"]
    with pytest.raises(exceptions.NotFoundException, match="inventory"):
        baremetal.get_node_inventory(other)


def test_a_command_saves_an_inventory(cli, inspected, tmp_path):
    assert json.loads(cli("node", "inventory", "save", inspected)) == WHOLE
    path = tmp_path / "inventory.json"
    cli("node", "inventory", "save", inspected, "--file", str(path))
    assert json.loads(path.read_text()) == WHOLE
