# SPDX-License-Identifier: Apache-2.0
"""Which conductor serves which node."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections import Counter

from baremetal_backend.core.records import ConductorRecord
from baremetal_backend.core.routing import Routing

NODES = [str(uuid.UUID(int=n * 7919, version=4)) for n in range(3000)]


def conductor(host, group="", types=("fake",)):
    return ConductorRecord(
        host=host,
        incarnation=f"of-{host}",
        conductor_group=group,
        hardware_types={name: {} for name in types},
        registered_at="",
        renewed_at="",
    )


def owners(routing, group="", driver="fake"):
    return {node: routing.owner(node, driver, group) for node in NODES}


def test_each_node_has_one_owner_and_the_shares_are_even():
    three = Routing([conductor("a"), conductor("b"), conductor("c")])
    shares = Counter(owners(three).values())
    assert set(shares) == {"a", "b", "c"}
    assert max(shares.values()) < 1.15 * len(NODES) / 3


def test_all_processes_agree_whatever_the_order_of_the_members():
    one = Routing([conductor("a"), conductor("b"), conductor("c")])
    other = Routing([conductor("c"), conductor("a"), conductor("b")])
    assert owners(one) == owners(other)


def test_a_member_that_goes_moves_only_its_own_nodes():
    before = owners(Routing(map(conductor, "abc")))
    after = owners(Routing(map(conductor, "ac")))
    for node, owner in before.items():
        assert after[node] == owner or owner == "b"


def test_only_conductors_of_the_group_and_the_type_are_asked():
    routing = Routing(
        [
            conductor("a", "rack1", ("fake", "ipmi")),
            conductor("b", "rack1"),
            conductor("c"),
        ]
    )
    assert set(owners(routing, "RACK1").values()) == {"a", "b"}
    assert set(owners(routing, "rack1", "ipmi").values()) == {"a"}
    assert set(owners(routing).values()) == {"c"}
    assert set(owners(routing, "", "ipmi").values()) == {None}
    assert set(owners(routing, "rack2").values()) == {None}


def test_a_conductor_that_is_alone_serves_all_groups():
    routing = Routing([conductor("a", "rack1")], any_group=True)
    assert routing.owner(NODES[0], "fake", "rack2") == "a"
    assert routing.owner(NODES[0], "warp", "rack2") is None


def test_the_case_of_a_uuid_does_not_move_a_node():
    routing = Routing(map(conductor, "abc"))
    for node in NODES[:50]:
        assert routing.owner(node.upper(), "fake", "") == routing.owner(
            node, "fake", ""
        )


def test_a_conductor_that_is_alone_does_without_the_ring():
    program = (
        "import sys;"
        "from tests.core.backend.test_routing import *;"
        "Routing([conductor('a')]).owner('u', 'fake', '');"
        "assert 'tooz' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
