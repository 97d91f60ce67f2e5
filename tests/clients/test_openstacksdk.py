# SPDX-License-Identifier: Apache-2.0
"""openstacksdk: ``conn.baremetal``."""

import uuid

import openstack
import pytest
from openstack import exceptions

VIF = "33333333-3333-4333-8333-333333333333"


@pytest.fixture(scope="module")
def baremetal(backend):
    return openstack.connect(
        load_envvars=False,
        load_yaml_config=False,
        auth_type="none",
        baremetal_endpoint_override=backend.url,
    ).baremetal


@pytest.fixture
def enrolled(baremetal):
    node = baremetal.create_node(
        driver="fake-hardware", name=f"sdk-{uuid.uuid4()}"
    )
    yield node
    baremetal.delete_node(node, ignore_missing=True)


@pytest.fixture(scope="module")
def available(baremetal):
    node = baremetal.create_node(
        driver="fake-hardware", resource_class="sdk", conductor_group="sdk"
    )
    for verb in ("manage", "provide"):
        baremetal.set_node_provision_state(node, verb, wait=True, timeout=60)
    return node.id


def test_a_created_node_is_found_by_id_and_name(baremetal, enrolled):
    assert enrolled.provision_state == "enroll"
    assert enrolled.driver == "fake-hardware"
    assert baremetal.get_node(enrolled.id).name == enrolled.name
    assert baremetal.find_node(enrolled.name).id == enrolled.id
    assert baremetal.get_node(enrolled.id, fields=["uuid"]).name is None
    with pytest.raises(exceptions.NotFoundException):
        baremetal.get_node("missing")
    assert baremetal.find_node("missing") is None


def test_the_sdk_uses_our_newest_version(baremetal, enrolled):
    assert baremetal.get_node(enrolled.id).microversion == "1.95"


def test_a_node_becomes_available(baremetal, available):
    node = baremetal.get_node(available)
    assert node.provision_state == "available"
    assert node.power_state in ("power on", "power off")
    (same,) = baremetal.wait_for_nodes_provision_state(
        [available], "available", timeout=10
    )
    assert same.id == available


def test_lists_take_filters_fields_and_pages(baremetal, available, enrolled):
    assert {available, enrolled.id} <= {n.id for n in baremetal.nodes()}
    assert {n.id for n in baremetal.nodes(limit=1)} == {
        n.id for n in baremetal.nodes()
    }
    found = list(
        baremetal.nodes(
            fields=["uuid", "resource_class"],
            conductor_group="sdk",
            provision_state="available",
            is_maintenance=False,
            associated=False,
        )
    )
    assert [(n.id, n.resource_class) for n in found] == [(available, "sdk")]
    assert list(baremetal.nodes(instance_id=VIF)) == []
    assert list(baremetal.nodes(shard="none")) == []
    details = {n.id: n for n in baremetal.nodes(details=True)}
    assert details[available].conductor == "one"


def test_a_node_is_updated_and_patched(baremetal, enrolled):
    updated = baremetal.update_node(enrolled, extra={"a": "b"})
    assert updated.extra == {"a": "b"}
    patched = baremetal.patch_node(
        enrolled.id, [{"op": "add", "path": "/owner", "value": "me"}]
    )
    assert patched.owner == "me"
    assert baremetal.get_node(enrolled.id).extra == {"a": "b"}
    instance = str(uuid.uuid4())
    assert (
        baremetal.update_node(enrolled.id, instance_id=instance).instance_id
        == instance
    )
    with pytest.raises(exceptions.ConflictException):
        baremetal.update_node(enrolled.id, instance_id=str(uuid.uuid4()))
    baremetal.patch_node(
        enrolled.id, [{"op": "remove", "path": "/instance_uuid"}]
    )
    with pytest.raises(exceptions.BadRequestException, match="power_state"):
        baremetal.patch_node(
            enrolled.id, [{"op": "add", "path": "/power_state", "value": "x"}]
        )


def test_a_node_is_deployed_and_undeployed(baremetal, available):
    node = baremetal.set_node_provision_state(
        available,
        "active",
        config_drive={"user_data": "x"},
        wait=True,
        timeout=60,
    )
    assert node.provision_state == "active"
    node = baremetal.set_node_provision_state(
        available, "rebuild", wait=True, timeout=60
    )
    assert node.provision_state == "active"
    node = baremetal.set_node_provision_state(
        available, "rescue", rescue_password="pw", wait=True, timeout=60
    )
    assert node.provision_state == "rescue"
    # The SDK does not know what to wait for after this verb.
    baremetal.set_node_provision_state(available, "unrescue")
    baremetal.wait_for_nodes_provision_state([available], "active", timeout=60)
    node = baremetal.set_node_provision_state(
        available, "deleted", wait=True, timeout=60
    )
    assert node.provision_state == "available"


def test_a_wrong_verb_is_a_bad_request_that_names_verb_and_state(
    baremetal, enrolled
):
    with pytest.raises(exceptions.BadRequestException) as refused:
        baremetal.set_node_provision_state(enrolled, "active")
    assert '"active"' in str(refused.value)
    assert '"enroll"' in str(refused.value)


@pytest.mark.parametrize(
    ("target", "reached"),
    [("power on", "power on"), ("rebooting", "power on"),
     ("soft power off", "power off"), ("power off", "power off")],
)  # fmt: skip
def test_power_is_switched(baremetal, available, target, reached):
    baremetal.set_node_power_state(available, target, wait=True, timeout=30)
    assert baremetal.get_node(available).power_state == reached


def test_maintenance_is_set_and_unset(baremetal, enrolled):
    baremetal.set_node_maintenance(enrolled, "why")
    node = baremetal.get_node(enrolled.id)
    assert (node.is_maintenance, node.maintenance_reason) == (True, "why")
    baremetal.unset_node_maintenance(enrolled)
    assert baremetal.get_node(enrolled.id).is_maintenance is False


def test_interfaces_are_validated(baremetal, enrolled):
    results = baremetal.validate_node(enrolled, required=("power", "deploy"))
    assert results["power"].result is True


def test_vifs_are_attached_and_detached(baremetal, enrolled):
    baremetal.attach_vif_to_node(enrolled, VIF)
    assert list(baremetal.list_node_vifs(enrolled)) == [VIF]
    assert baremetal.detach_vif_from_node(enrolled, VIF)
    assert list(baremetal.list_node_vifs(enrolled)) == []
    assert not baremetal.detach_vif_from_node(enrolled, VIF)


def test_traits_are_written(baremetal, enrolled):
    baremetal.add_node_trait(enrolled, "CUSTOM_A")
    assert baremetal.get_node(enrolled.id).traits == ["CUSTOM_A"]
    baremetal.set_node_traits(enrolled, ["CUSTOM_B", "CUSTOM_C"])
    assert baremetal.remove_node_trait(enrolled, "CUSTOM_B")
    assert baremetal.get_node(enrolled.id).traits == ["CUSTOM_C"]


def test_the_boot_device_is_set(baremetal, available):
    baremetal.set_node_boot_device(available, "disk", persistent=True)
    assert baremetal.get_node_boot_device(available) == {
        "boot_device": "disk",
        "persistent": True,
    }
    devices = baremetal.get_node_supported_boot_devices(available)
    assert "pxe" in devices["supported_boot_devices"]


def test_the_console_is_switched(baremetal, available):
    baremetal.enable_node_console(available)
    console = baremetal.get_node_console(available)
    assert console["console_enabled"] is True
    assert console["console_info"]
    baremetal.disable_node_console(available)
    assert baremetal.get_node_console(available)["console_enabled"] is False


def test_an_nmi_is_refused_where_hardware_cannot(baremetal, available):
    with pytest.raises(exceptions.BadRequestException, match="inject_nmi"):
        baremetal.inject_nmi_to_node(available)


def test_ports_and_port_groups_are_managed(baremetal, enrolled):
    mac = "52:54:00:" + ":".join(
        uuid.uuid4().hex[i : i + 2] for i in (0, 2, 4)
    )
    group = baremetal.create_port_group(node_id=enrolled.id)
    port = baremetal.create_port(
        node_id=enrolled.id, address=mac, port_group_id=group.id
    )
    (found,) = baremetal.ports(node=enrolled.id, details=True)
    assert (found.id, found.address) == (port.id, mac)
    assert found.port_group_id == group.id
    (found,) = baremetal.port_groups(node=enrolled.id, details=True)
    assert found.id == group.id
    assert baremetal.update_port(port, extra={"a": 1}).extra == {"a": 1}
    with pytest.raises(exceptions.ConflictException):
        baremetal.create_port(node_id=enrolled.id, address=mac)
    baremetal.delete_port(port)
    baremetal.delete_port_group(group)
    assert list(baremetal.ports(node=enrolled.id)) == []


def test_volumes_are_managed(baremetal, enrolled):
    connector = baremetal.create_volume_connector(
        node_id=enrolled.id, type="iqn", connector_id=str(uuid.uuid4())
    )
    target = baremetal.create_volume_target(
        node_id=enrolled.id, volume_type="iscsi", volume_id="v", boot_index=0
    )
    (found,) = baremetal.volume_connectors(node=enrolled.id, details=True)
    assert found.id == connector.id
    (found,) = baremetal.volume_targets(node=enrolled.id, details=True)
    assert found.id == target.id


def test_drivers_conductors_and_chassis_are_shown(baremetal):
    assert [d.name for d in baremetal.drivers()] == ["fake-hardware"]
    driver = baremetal.get_driver("fake-hardware")
    assert driver.enabled_power_interfaces
    assert [c.hostname for c in baremetal.conductors()] == ["one"]
    chassis = baremetal.create_chassis(description="x")
    assert chassis.id in [c.id for c in baremetal.chassis()]
    baremetal.delete_chassis(chassis)


def test_a_deleted_node_is_gone(baremetal, enrolled):
    baremetal.delete_node(enrolled)
    with pytest.raises(exceptions.NotFoundException):
        baremetal.delete_node(enrolled.id, ignore_missing=False)
    assert baremetal.delete_node(enrolled.id, ignore_missing=True) is None
