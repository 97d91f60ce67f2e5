# SPDX-License-Identifier: Apache-2.0
"""Servers from boot to delete, through Nova's API on three computes.

Each server's end state is read from the bare metal service.
"""

from __future__ import annotations

import base64
import gzip
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from nova import utils

from lab.faulty_proxy import FaultyProxy
from lab.waiting import wait_for
from tests.functional.plugin.bare_metal import BareMetal
from tests.functional.plugin.conftest import GROUP, HOSTS, configured
from tests.functional.plugin.nova_in_process import Nova
from tests.functional.plugin.servers import (
    IMAGE,
    SECONDS,
    Cloud,
    bare_metal_flavor,
)

OTHER_IMAGE = "76fa36fc-c930-4bf3-8c8a-ea2a2420deb6"


@pytest.fixture(scope="module")
def cloud(nova_of_module: Nova, bare_metal_url: str) -> Iterator[Cloud]:
    """Three computes with a node each; the tests delete their servers."""
    operator = BareMetal(bare_metal_url)
    port = urllib.parse.urlsplit(bare_metal_url).port
    assert port is not None
    proxy = FaultyProxy(port)
    nova = configured(nova_of_module, proxy.url)
    operator.enrol(3, GROUP, available=True)
    for host in HOSTS:
        nova.start(host)
    nova.run()
    nova.clock.advance(600)
    assert set(nova.owners().values()) == set(HOSTS)
    cloud = Cloud(nova, operator, proxy, bare_metal_flavor(nova))
    yield cloud
    for server in nova.case.api.get_servers(detail=False):
        cloud.delete(server)
    nova.reset()
    proxy.close()
    operator.remove_all()


@pytest.fixture(scope="module")
def booted(cloud: Cloud) -> dict[str, Any]:
    """A server that the tests share; each leaves it active."""
    return cloud.wait(cloud.boot(), "ACTIVE")


@pytest.fixture
def server(cloud: Cloud, booted: dict[str, Any]) -> dict[str, Any]:
    """The shared server, with a clean record of what is sent for it."""
    cloud.proxy.requests.clear()
    cloud.nova.rows.clear()
    return booted


def test_a_booted_server_has_a_node_of_its_host(
    cloud: Cloud, server: dict[str, Any]
) -> None:
    node = cloud.node_of(server)

    assert node.provision_state == "active"
    assert node.power_state == "power on"
    assert node.instance_info["image_source"] == IMAGE
    assert node.instance_info["display_name"] == "server"
    host = server["OS-EXT-SRV-ATTR:host"]
    assert server["OS-EXT-SRV-ATTR:hypervisor_hostname"] == node.id
    assert cloud.nova.owners()[node.id] == host
    cloud.nova.run()
    assert cloud.nova.reporters()[node.id] == [host]
    assert cloud.nova.rows.events == []


@pytest.mark.parametrize(
    ("kind", "asked"), [("SOFT", "soft rebooting"), ("HARD", "rebooting")]
)
def test_a_reboot_reaches_the_node(
    cloud: Cloud, server: dict[str, Any], kind: str, asked: str
) -> None:
    cloud.act(server, reboot={"type": kind})
    cloud.wait(server, "ACTIVE")

    wait_for(
        lambda: cloud.node_of(server).target_power_state is None,
        SECONDS,
        "end of the reboot",
    )
    (sent,) = cloud.proxy.bodies("PUT", "/states/power")
    assert sent["target"] == asked
    assert cloud.node_of(server).power_state == "power on"


def test_a_server_stops_and_starts(
    cloud: Cloud, server: dict[str, Any]
) -> None:
    cloud.act(server, **{"os-stop": None})
    cloud.wait(server, "SHUTOFF")
    assert cloud.node_of(server).power_state == "power off"

    cloud.act(server, **{"os-start": None})
    cloud.wait(server, "ACTIVE")
    assert cloud.node_of(server).power_state == "power on"


def test_a_rebuild_puts_another_image_on_the_same_node(
    cloud: Cloud, server: dict[str, Any]
) -> None:
    before = cloud.node_of(server)
    # From 2.93 on nova's API asks every driver to write the boot volume
    # anew, which nova's ironic driver refuses, volume or not.
    api = cloud.nova.case.api

    with utils.temporary_mutation(api, microversion="2.92"):
        cloud.act(server, rebuild={"imageRef": OTHER_IMAGE})
    cloud.wait(server, "ACTIVE")

    after = cloud.node_of(server)
    assert after.id == before.id
    assert after.provision_state == "active"
    assert after.instance_info["image_source"] == OTHER_IMAGE
    (sent,) = cloud.proxy.bodies("PUT", "/states/provision")
    assert sent["target"] == "rebuild"


def test_a_server_is_rescued_and_unrescued(
    cloud: Cloud, server: dict[str, Any]
) -> None:
    cloud.act(server, rescue={"adminPass": "MySecretPass"})
    cloud.wait(server, "RESCUE")
    assert cloud.node_of(server).provision_state == "rescue"

    cloud.act(server, unrescue=None)
    cloud.wait(server, "ACTIVE")
    assert cloud.node_of(server).provision_state == "active"


def test_a_deleted_server_leaves_a_clean_free_node(cloud: Cloud) -> None:
    server = cloud.wait(cloud.boot(), "ACTIVE")
    node = cloud.node_of(server).id

    cloud.delete(server)

    freed = cloud.bare_metal.node(node)
    assert freed.provision_state == "available"
    assert freed.instance_id is None
    assert freed.instance_info == {}
    assert not cloud.nova.rows.removals()
    inventory = cloud.nova.inventory(node)["CUSTOM_BAREMETAL"]
    assert (inventory["total"], inventory["reserved"]) == (1, 0)


def test_all_nodes_can_be_used_and_no_more(
    cloud: Cloud, server: dict[str, Any]
) -> None:
    others = [cloud.boot(), cloud.boot()]
    for other in others:
        cloud.wait(other, "ACTIVE")
    nodes = {cloud.node_of(found).id for found in [server, *others]}
    assert len(nodes) == 3

    one_too_many = cloud.boot()
    refused = cloud.wait(one_too_many, "ERROR")

    assert "No valid host" in refused["fault"]["message"]
    for other in [*others, one_too_many]:
        cloud.delete(other)


def test_a_deployment_that_fails_is_an_error_and_frees_the_node(
    cloud: Cloud,
) -> None:
    nodes = [node.id for node in cloud.bare_metal.api.nodes()]
    for node in nodes:
        cloud.bare_metal.api.update_node(
            node, driver_info={"fake_deploy_fail": "disk is full"}
        )

    server = cloud.boot()
    failed = cloud.wait(server, "ERROR")

    assert "fault" in failed
    assert "disk is full" in cloud.nova.log_text
    for node in nodes:
        cloud.bare_metal.api.update_node(node, driver_info={})
    cloud.delete(server)


@pytest.fixture
def network(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> list[dict[str, str]]:
    """Networks for a server, from nova's stand-in for neutron."""
    neutron = cloud.nova.case.neutron
    real = neutron.update_port

    def update_port(port_id: str, body: dict[str, Any]) -> Any:
        # It cannot unbind a port from the host None, which is the host that
        # a bare metal server's port has until its node is deployed.
        port = body["port"]
        if port.get("binding:host_id", "") is None:
            body = {"port": {**port}}
            del body["port"]["binding:host_id"]
        return real(port_id, body)

    monkeypatch.setattr(neutron, "update_port", update_port)
    return [{"uuid": neutron.network_1["id"]}]


def test_an_interface_is_a_vif_of_the_node(
    cloud: Cloud, network: list[dict[str, str]]
) -> None:
    server = cloud.wait(cloud.boot(networks=network), "ACTIVE")
    node = cloud.node_of(server).id
    port = cloud.nova.case.api.get_port_interfaces(server["id"])[0]["port_id"]

    assert cloud.bare_metal.api.list_node_vifs(node) == [port]

    cloud.delete(server)
    assert cloud.bare_metal.api.list_node_vifs(node) == []


def test_a_server_and_its_node_stay_while_peers_change(
    cloud: Cloud, server: dict[str, Any]
) -> None:
    nova = cloud.nova
    host = server["OS-EXT-SRV-ATTR:host"]
    other = next(other for other in HOSTS if other != host)
    node = cloud.node_of(server).id
    changes: list[Callable[[], None]] = [
        lambda: nova.set_service(other, disabled=True),
        lambda: nova.set_service(other, disabled=False),
        lambda: nova.set_service(host, forced_down=True),
        lambda: nova.set_service(host, forced_down=False),
    ]

    for change in changes:
        change()
        nova.settle()
        assert nova.owners()[node] == host
        assert nova.reporters()[node] == [host]

    assert nova.rows.moves()[node] == 0
    assert cloud.server(server)["OS-EXT-SRV-ATTR:host"] == host


def test_a_server_on_a_disabled_host_is_still_served(
    cloud: Cloud, server: dict[str, Any]
) -> None:
    host = server["OS-EXT-SRV-ATTR:host"]
    cloud.nova.set_service(host, disabled=True)
    cloud.nova.settle()

    cloud.act(server, **{"os-stop": None})
    cloud.wait(server, "SHUTOFF")

    assert cloud.node_of(server).power_state == "power off"
    cloud.act(server, **{"os-start": None})
    cloud.wait(server, "ACTIVE")
    cloud.nova.set_service(host, disabled=False)
    cloud.nova.settle()


def test_a_node_that_becomes_free_goes_to_the_owner_by_the_ring(
    cloud: Cloud,
) -> None:
    nova = cloud.nova
    server = cloud.wait(cloud.boot(), "ACTIVE")
    host = server["OS-EXT-SRV-ATTR:host"]
    node = cloud.node_of(server).id
    nova.set_service(host, disabled=True)
    nova.settle()
    assert nova.owners()[node] == host

    cloud.delete(server)
    nova.clock.advance(600)
    nova.run()

    assert nova.owners()[node] != host
    nova.set_service(host, disabled=False)
    nova.settle()
    assert nova.owners()[node] == host


def test_the_config_drive_reaches_the_service(
    cloud: Cloud, network: list[dict[str, str]], tmp_path: Path
) -> None:
    # Stands in for mkisofs, which not every machine has.
    mkisofs = tmp_path / "mkisofs"
    mkisofs.write_text('#!/bin/sh\nprintf "a drive" > "$2"\n')
    mkisofs.chmod(0o755)
    cloud.nova.override(None, mkisofs_cmd=str(mkisofs))
    cloud.proxy.requests.clear()

    server = cloud.wait(
        cloud.boot(config_drive=True, networks=network), "ACTIVE"
    )

    (sent,) = cloud.proxy.bodies("PUT", "/states/provision")
    assert sent["target"] == "active"
    drive = gzip.decompress(base64.b64decode(sent["configdrive"]))
    assert drive == b"a drive"
    cloud.delete(server)
