# SPDX-License-Identifier: Apache-2.0
"""With 32 points both drivers agree on every node, for a mixed operation."""

from __future__ import annotations

import warnings

from nova.virt.ironic import driver as in_tree

from nova_ironic_partition.core.ring import NOVA_POINTS
from tests.functional.plugin.bare_metal import BareMetal
from tests.functional.plugin.conftest import GROUP, HOSTS
from tests.functional.plugin.nova_in_process import Nova


def nodes_of_in_tree_driver(nova: Nova, host: str) -> set[str]:
    """What nova's own driver would report as this host."""
    nova.override(None, host=host)
    nova.override("ironic", conductor_group=GROUP, peer_list=list(HOSTS))
    driver = in_tree.IronicDriver(virtapi=None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return set(driver.get_available_nodes())


def test_32_points_give_the_mapping_of_the_in_tree_driver(
    nova: Nova, bare_metal: BareMetal
) -> None:
    nodes = bare_metal.enrol(12, GROUP)
    nova.configure(HOSTS, points=NOVA_POINTS)
    for host in HOSTS:
        nova.start(host)

    nova.run()

    mapped = {host: nodes_of_in_tree_driver(nova, host) for host in HOSTS}
    assert mapped == {h: nova.running[h].reported for h in HOSTS}
    assert set().union(*mapped.values()) == set(nodes)
    assert all(mapped.values())

    # ... and with an instance on another host than the ring's.
    node = next(n for n, host in nova.owners().items() if host != "c1")
    bare_metal.api.update_node(
        node, instance_id=nova.place_instance("c1", node)
    )

    nova.run()

    mapped = {host: nodes_of_in_tree_driver(nova, host) for host in HOSTS}
    assert node in mapped["c1"]
    assert mapped == {h: nova.running[h].reported for h in HOSTS}
