# SPDX-License-Identifier: Apache-2.0
"""The Bare Metal API goes away, comes back, and loses nodes."""

from __future__ import annotations

import pytest
from nova import exception

from lab.faulty_proxy import Answer, FaultyProxy
from tests.functional.plugin.bare_metal import BareMetal
from tests.functional.plugin.bare_metal_faults import (
    is_listing,
    listings,
    small_pages,
)
from tests.functional.plugin.conftest import GROUP
from tests.functional.plugin.nova_in_process import Nova


@pytest.fixture
def owned(
    nova_behind_proxy: Nova, bare_metal: BareMetal, proxy: FaultyProxy
) -> list[str]:
    """Four nodes of c1, listed in pages of three."""
    nova = nova_behind_proxy
    nodes = bare_metal.enrol(4, GROUP)
    proxy.rewrite = small_pages(3)
    nova.configure(["c1"], peer_list=["c1"])
    nova.start("c1").run()
    assert nova.owners() == dict.fromkeys(nodes, "c1")
    nova.rows.clear()
    nova.log.clear()
    return nodes


def assert_nothing_changed(nova: Nova, owned: list[str]) -> None:
    assert nova.running["c1"].reported == set(owned)
    assert nova.owners() == dict.fromkeys(owned, "c1")
    assert nova.providers() == set(owned)
    assert nova.rows.events == []


def test_a_service_that_is_down_changes_nothing(
    nova_behind_proxy: Nova, proxy: FaultyProxy, owned: list[str]
) -> None:
    nova = nova_behind_proxy
    proxy.go_down()

    with pytest.raises(exception.VirtDriverNotReady):
        nova.running["c1"].driver.get_available_nodes()
    nova.run()

    assert_nothing_changed(nova, owned)

    proxy.come_up()
    nova.run()

    assert_nothing_changed(nova, owned)
    assert len(nova.log.errors) == 2


def test_what_was_known_serves_while_the_service_is_down(
    nova_behind_proxy: Nova, proxy: FaultyProxy, owned: list[str]
) -> None:
    driver = nova_behind_proxy.running["c1"].driver
    proxy.go_down()

    resources = driver.get_available_resource(owned[0])

    assert resources["hypervisor_hostname"] == owned[0]
    assert driver.node_is_available(owned[1])
    assert driver.list_instance_uuids() == []

    proxy.come_up()


def test_the_very_first_start_needs_the_service(
    nova_behind_proxy: Nova, proxy: FaultyProxy, bare_metal: BareMetal
) -> None:
    """Nova itself asks a new host which instances are there already."""
    nova = nova_behind_proxy
    nodes = bare_metal.enrol(2, GROUP)
    nova.configure(["c1"], peer_list=["c1"])
    proxy.go_down()

    with pytest.raises(exception.VirtDriverNotReady):
        nova.start("c1")
    assert nova.owners() == {}
    proxy.come_up()
    nova.start("c1").run()

    assert nova.owners() == dict.fromkeys(nodes, "c1")


def test_a_restart_while_the_service_is_down_deletes_nothing(
    nova_behind_proxy: Nova, proxy: FaultyProxy, owned: list[str]
) -> None:
    nova = nova_behind_proxy
    nova.forget(nova.running["c1"])
    proxy.go_down()

    nova.start("c1").run()

    assert nova.owners() == dict.fromkeys(owned, "c1")
    assert nova.providers() == set(owned)
    proxy.come_up()
    nova.run()
    assert_nothing_changed(nova, owned)


def test_all_pages_are_read(
    nova_behind_proxy: Nova, proxy: FaultyProxy, owned: list[str]
) -> None:
    proxy.requests.clear()

    nova_behind_proxy.run()

    pages = [r for r in proxy.requests if is_listing(r)]
    assert len(pages) == 2
    assert pages[1].query["conductor_group"] == GROUP
    assert_nothing_changed(nova_behind_proxy, owned)


def test_an_empty_list_deletes_neither_rows_nor_providers(
    nova_behind_proxy: Nova, proxy: FaultyProxy, owned: list[str]
) -> None:
    nova = nova_behind_proxy
    proxy.fault = listings(Answer(200, b'{"nodes": []}'))

    for _ in range(3):
        nova.run()

    assert nova.owners() == dict.fromkeys(owned, "c1")
    assert nova.providers() == set(owned)
    proxy.fault = None
    nova.run()
    assert_nothing_changed(nova, owned)


@pytest.fixture
def large(nova_behind_proxy: Nova, bare_metal: BareMetal) -> list[str]:
    """Twelve nodes of c1: enough for the shrink guard."""
    nova = nova_behind_proxy
    nodes = bare_metal.enrol(12, GROUP)
    nova.configure(["c1"], peer_list=["c1"])
    nova.start("c1").run()
    nova.rows.clear()
    nova.log.clear()
    return nodes


def test_a_large_loss_is_believed_when_it_is_seen_twice(
    nova_behind_proxy: Nova, large: list[str], bare_metal: BareMetal
) -> None:
    nova = nova_behind_proxy
    bare_metal.delete(*large[:7])

    nova.run()

    assert nova.running["c1"].reported == set(large)
    assert nova.rows.events == []
    (warning,) = nova.log.warnings
    assert "7 of 12 nodes vanished" in warning
    assert "[ironic_partition]shrink_guard_percent" in warning

    nova.run()

    assert nova.owners() == dict.fromkeys(large[7:], "c1")
    assert nova.providers() == set(large[7:])


def test_a_large_loss_that_was_a_mistake_changes_nothing(
    nova_behind_proxy: Nova, large: list[str], proxy: FaultyProxy
) -> None:
    nova = nova_behind_proxy
    proxy.fault = listings(Answer(200, b'{"nodes": []}'))
    nova.run()
    assert nova.running["c1"].reported == set(large)

    proxy.fault = None
    nova.run()

    assert nova.running["c1"].reported == set(large)
    assert nova.rows.events == []


def test_the_guard_can_be_turned_off(
    nova_behind_proxy: Nova, large: list[str], bare_metal: BareMetal
) -> None:
    nova = nova_behind_proxy
    nova.configure(["c1"], shrink_percent=100)
    nova.running["c1"].driver.reload_settings()
    bare_metal.delete(*large[:7])

    nova.run()

    assert nova.owners() == dict.fromkeys(large[7:], "c1")


def test_a_node_that_is_deleted_loses_its_row_and_its_provider(
    nova_behind_proxy: Nova, owned: list[str], bare_metal: BareMetal
) -> None:
    nova = nova_behind_proxy
    gone, *rest = owned
    bare_metal.delete(gone)

    nova.run()

    assert nova.owners() == dict.fromkeys(rest, "c1")
    assert nova.providers() == set(rest)
    assert nova.rows.removals() == {gone: 1}
