# SPDX-License-Identifier: Apache-2.0
"""The hash ring: balance, stability, and nova's own mapping."""

import random
import statistics
import uuid

from hypothesis import given, settings
from hypothesis import strategies as st
from tooz import hashring

from nova_ironic_partition.core.identity import HostName
from nova_ironic_partition.core.ring import DEFAULT_POINTS, NOVA_POINTS, Ring

HOSTS = st.sets(
    st.from_regex(r"[a-z][a-z0-9-]{0,15}", fullmatch=True),
    min_size=1,
    max_size=6,
)


def node_ids(count, seed=0):
    source = random.Random(seed)
    return [str(uuid.UUID(int=source.getrandbits(128))) for _ in range(count)]


@given(HOSTS, st.uuids())
def test_nova_points_give_the_mapping_that_nova_computes(hosts, node):
    theirs = hashring.HashRing(hosts, partitions=2**5)
    ours = Ring(map(HostName, hosts), NOVA_POINTS)
    assert {ours.owner(str(node)).key} == theirs.get_nodes(str(node).encode())


@given(HOSTS, st.uuids())
def test_the_case_of_hosts_does_not_matter(hosts, node):
    lower = Ring(map(HostName, hosts), NOVA_POINTS)
    upper = Ring((HostName(h.upper()) for h in hosts), NOVA_POINTS)
    assert lower.owner(str(node)) == upper.owner(str(node))


def test_a_ring_without_members_owns_nothing():
    assert Ring([], DEFAULT_POINTS).owner("n") is None


@settings(max_examples=25)
@given(HOSTS, st.data())
def test_only_the_nodes_of_a_leaving_member_move(hosts, data):
    leaving = data.draw(st.sampled_from(sorted(hosts)))
    before = Ring(map(HostName, hosts), 64)
    after = Ring(map(HostName, hosts - {leaving}), 64)
    for node in node_ids(50):
        if before.owner(node).key != leaving:
            assert after.owner(node) == before.owner(node)


def busiest_shares(points):
    """Load of the busiest of three peers over its fair share, 12 times."""
    nodes = node_ids(1500)
    for seed in range(12):
        source = random.Random(seed)
        ring = Ring(
            [HostName(f"ctl{source.randrange(10**6)}") for _ in range(3)],
            points,
        )
        owners = [ring.owner(node) for node in nodes]
        busiest = max(owners.count(member) for member in ring.members)
        yield busiest / (len(nodes) / 3)


def test_the_default_number_of_points_balances_three_peers():
    default = list(busiest_shares(DEFAULT_POINTS))
    novas = list(busiest_shares(NOVA_POINTS))
    assert max(default) < 1.15 < statistics.median(novas) < max(novas)
