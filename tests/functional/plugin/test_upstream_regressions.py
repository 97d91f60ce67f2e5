# SPDX-License-Identifier: Apache-2.0
"""Two bugs of nova's ironic driver, replayed with this driver.

https://bugs.launchpad.net/nova/+bug/1839560: a node that vanished and came
back got no compute node row any more, since its deleted row had its uuid.
https://bugs.launchpad.net/nova/+bug/1853009: a host that lost a node in a
rebalance deleted the row after its new host had taken it.
"""

from __future__ import annotations

from unittest import mock

from nova import objects
from nova.compute import manager

from tests.functional.plugin.bare_metal import BareMetal
from tests.functional.plugin.conftest import GROUP
from tests.functional.plugin.nova_in_process import Nova


def test_a_node_that_is_deleted_and_enrolled_again_gets_its_row_back(
    nova: Nova, bare_metal: BareMetal
) -> None:
    nova.configure(["c1"], peer_list=["c1"])
    (node, other) = bare_metal.enrol(2, GROUP)
    nova.start("c1").run()
    first = objects.ComputeNode.get_by_host_and_nodename(
        nova.context, "c1", node
    )
    bare_metal.delete(node)
    nova.run()
    assert nova.owners() == {other: "c1"}

    bare_metal.remove_all()
    bare_metal.enrol(2, GROUP)
    nova.run()

    assert nova.owners() == {node: "c1", other: "c1"}
    assert nova.providers() == {node, other}
    again = objects.ComputeNode.get_by_host_and_nodename(
        nova.context, "c1", node
    )
    assert (again.id, again.uuid) == (first.id, first.uuid)
    assert "DBDuplicateEntry" not in nova.log_text


def test_a_host_that_lost_a_node_cannot_delete_its_row(
    nova: Nova, nodes: list[str]
) -> None:
    node = next(n for n, host in nova.owners().items() if host == "c2")
    stale = objects.ComputeNode.get_by_host_and_nodename(
        nova.context, "c2", node
    )
    nova.set_service("c2", disabled=True)
    nova.settle()
    taker = nova.owners()[node]
    assert taker != "c2"

    # c2 still believes that the row is its own, and that the node is gone.
    with (
        mock.patch.object(
            manager.ComputeManager,
            "_get_compute_nodes_in_db",
            return_value=[stale],
        ),
        mock.patch.object(
            nova.running["c2"].driver, "is_node_deleted", return_value=True
        ),
    ):
        nova.run("c2")
    nova.run(taker)

    assert nova.owners()[node] == taker
    assert nova.reporters()[node] == [taker]
    assert nova.providers() == set(nodes)
    assert not nova.rows.removals()


def test_a_row_that_was_deleted_by_mistake_is_made_again(
    nova: Nova, nodes: list[str]
) -> None:
    node = next(n for n, host in nova.owners().items() if host == "c1")
    row = objects.ComputeNode.get_by_host_and_nodename(
        nova.context, "c1", node
    )
    compute = nova.running["c1"].service.manager
    row.destroy()
    compute.rt.remove_node(node)
    compute.reportclient.delete_resource_provider(
        nova.context, row, cascade=True
    )

    nova.run()

    assert nova.owners()[node] == "c1"
    assert nova.providers() == set(nodes)
