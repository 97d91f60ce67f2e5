# SPDX-License-Identifier: Apache-2.0
"""python-ironicclient as a library, and its version negotiation."""

import uuid

import pytest
from ironicclient import client, exc


@pytest.fixture(scope="module")
def ironic(backend):
    return client.get_client(
        "1",
        endpoint=backend.url,
        auth_type="none",
        os_ironic_api_version="latest",
    )


def test_the_client_settles_on_our_newest_version(backend):
    fresh = client.get_client(
        "1",
        endpoint=backend.url,
        auth_type="none",
        os_ironic_api_version="latest",
    )
    fresh.node.list()
    assert fresh.current_api_version == "1.95"


def test_a_version_that_is_too_new_is_told_with_the_range(backend):
    new = client.get_client(
        "1",
        endpoint=backend.url,
        auth_type="none",
        os_ironic_api_version="1.115",
    )
    with pytest.raises(exc.UnsupportedVersion, match=r"1\.95"):
        new.node.list()


def test_a_node_lives_from_create_to_delete(backend, ironic):
    name = f"lib-{uuid.uuid4()}"
    node = ironic.node.create(
        driver="fake-hardware", name=name, resource_class="lib"
    )
    assert ironic.node.get(name).uuid == node.uuid
    ironic.node.set_provision_state(node.uuid, "manage")
    ironic.node.wait_for_provision_state(node.uuid, "manageable", timeout=30)
    ironic.node.set_provision_state(node.uuid, "provide")
    ironic.node.wait_for_provision_state(node.uuid, "available", timeout=30)
    (found,) = ironic.node.list(
        resource_class="lib",
        provision_state="available",
        maintenance=False,
        fields=["uuid", "name"],
    )
    assert (found.uuid, found.name) == (node.uuid, name)
    patched = ironic.node.update(
        node.uuid, [{"op": "add", "path": "/extra/a", "value": 1}]
    )
    assert patched.extra == {"a": 1}
    assert ironic.node.states(node.uuid).provision_state == "available"
    assert ironic.node.validate(node.uuid).power == {"result": True}
    ironic.node.delete(node.uuid)
    with pytest.raises(exc.NotFound):
        ironic.node.get(node.uuid)


def test_lists_follow_next_links(backend, ironic):
    owner = str(uuid.uuid4())
    made = [backend.node(owner=owner)["uuid"] for _ in range(5)]
    found = ironic.node.list(owner=owner, limit=0)
    assert [node.uuid for node in found] == made
    two = ironic.node.list(owner=owner, limit=2)
    assert [node.uuid for node in two] == made[:2]


def test_errors_arrive_with_their_sentence(backend, ironic):
    with pytest.raises(exc.BadRequest, match="nonsense"):
        ironic.node.create(driver="nonsense")
    node = backend.node()["uuid"]
    with pytest.raises(exc.BadRequest, match=r'"active".*"enroll"'):
        ironic.node.set_provision_state(node, "active")
    with pytest.raises(exc.NotFound, match="Node missing could not be found"):
        ironic.node.get("missing")
    with pytest.raises(exc.Conflict, match=node):
        ironic.node.create(driver="fake-hardware", uuid=node)
