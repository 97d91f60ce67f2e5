# SPDX-License-Identifier: Apache-2.0
"""Peers that share a partition: who reports what, and how often it moves."""

import logging
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nova_ironic_partition.core.ownership import Rule
from nova_ironic_partition.ports import InventoryError
from tests.fakes.world import DOWN_TIME, Peer, World

HOSTS = ("c1", "c2", "c3")


def cloud(nodes=45, hosts=HOSTS, **options):
    world = World(nodes)
    return world, [Peer(world, host, hosts, **options) for host in hosts]


def pass_time(world, peers, seconds, interval=10.0):
    """Living peers beat and run, one after the other, every interval."""
    end = world.now + seconds
    while world.now < end:
        for peer in peers:
            world.now += interval / len(peers)
            for other in peers:
                other.beat()
            peer.run()


def owners(world):
    return {node: world.rows.get(node) for node in world.groups}


def rules(*peers):
    """Rule -> how many nodes wait for it, in the eyes of these peers."""
    return Counter(
        verdict.rule
        for peer in peers
        for verdict in peer.partition.snapshot.waiting.values()
    )


def ring_owners(peer, world):
    ring = peer.partition.snapshot.view.ring
    return {node: str(ring.owner(node)) for node in world.groups}


def test_each_node_has_exactly_one_owner_and_it_is_the_rings():
    world, peers = cloud()
    reports = [peer.run() for peer in peers]
    assert sorted(n for r in reports for n in r) == sorted(world.groups)
    assert owners(world) == ring_owners(peers[0], world)
    assert not world.moves


@pytest.mark.parametrize("stagger", [0.0, 1.0, 25.0, 50.0])
def test_a_cold_start_moves_no_node(stagger):
    world = World(60)
    peers = []
    for host in HOSTS:
        peers.append(Peer(world, host, HOSTS))
        peers[-1].run()
        pass_time(world, peers, stagger)
    pass_time(world, peers, 120)
    assert owners(world) == ring_owners(peers[0], world)
    assert not world.moves


def test_a_peer_that_never_comes_is_waited_for_only_so_long():
    world = World(60)
    peers = [Peer(world, host, HOSTS) for host in HOSTS[:2]]
    pass_time(world, peers, 50)
    assert not world.rows
    pass_time(world, peers, 40)
    assert set(owners(world).values()) == {"c1", "c2"}


def test_the_nodes_of_a_dead_peer_move_once_and_come_back_once():
    world, (c1, c2, c3) = cloud()
    pass_time(world, [c1, c2, c3], 30)
    before = owners(world)
    lost = {node for node, host in before.items() if host == "c3"}
    pass_time(world, [c1, c2], DOWN_TIME + 60 + 20)
    assert set(owners(world).values()) == {"c1", "c2"}
    assert world.moves == dict.fromkeys(lost, 1)
    world.moves.clear()
    c3.start(HOSTS)
    pass_time(world, [c1, c2, c3], 200)
    assert owners(world) == before
    assert world.moves == dict.fromkeys(lost, 1)


def test_a_node_with_an_instance_stays_while_peers_change():
    world, (c1, c2, c3) = cloud()
    pass_time(world, [c1, c2, c3], 30)
    kept = next(node for node, host in owners(world).items() if host == "c3")
    world.boot(kept, "i1", "c3")
    pass_time(world, [c1, c2], 300)
    assert owners(world)[kept] == "c3"
    assert world.moves[kept] == 0


@pytest.mark.parametrize("state", ["disabled", "forced_down"])
def test_a_peer_out_of_service_gives_up_its_nodes_in_its_own_eyes(state):
    world, peers = cloud()
    pass_time(world, peers, 30)
    setattr(world.services["c3"], state, True)
    assert not peers[2].run()
    pass_time(world, peers, 90)
    assert set(owners(world).values()) == {"c1", "c2"}
    assert max(world.moves.values()) == 1


def test_a_node_that_changes_group_is_picked_up_at_the_next_run():
    world = World(20)
    here = Peer(world, "c1", ["c1"])
    there = Peer(world, "d1", ["d1"], key="b")
    pass_time(world, [here, there], 100)
    node = next(iter(world.groups))
    world.groups[node] = "b"
    there.run()
    assert world.rows[node] == "d1"
    assert node not in here.run()
    assert world.moves == {node: 1}


@pytest.mark.parametrize("state", ["disabled", "forced_down"])
def test_a_peer_that_is_back_in_service_gets_its_nodes_in_one_move(state):
    world, (c1, c2) = cloud(hosts=("c1", "c2"))
    pass_time(world, [c1, c2], 30)
    before = owners(world)
    setattr(world.services["c1"], state, True)
    pass_time(world, [c1, c2], 100)
    assert set(owners(world).values()) == {"c2"}
    world.moves.clear()
    setattr(world.services["c1"], state, False)
    pass_time(world, [c1, c2], 100)
    assert owners(world) == before
    assert max(world.moves.values()) == 1


def test_a_node_that_comes_back_to_its_group_is_taken_at_the_next_run():
    world, (c1,) = cloud(nodes=20, hosts=("c1",))
    there = Peer(world, "d1", ["d1"], key="b")
    pass_time(world, [c1, there], 100)
    node = next(iter(world.groups))
    world.groups[node] = "b"
    c1.run()
    there.run()
    world.groups[node] = "a"
    there.run()
    assert node in c1.run()
    assert world.rows[node] == "c1"


def test_a_node_with_an_instance_that_changes_group_stays_with_its_host():
    world, (c1,) = cloud(nodes=20, hosts=("c1",))
    there = Peer(world, "d1", ["d1"], key="b")
    pass_time(world, [c1, there], 100)
    node = next(iter(world.groups))
    world.boot(node, "i1", "c1")
    world.groups[node] = "b"
    pass_time(world, [c1, there], 100)
    assert node in c1.run()
    assert node not in there.run()
    assert world.asked_for == {"i1"}
    del world.instances[node]
    assert node not in c1.run()
    assert node in there.run()
    assert world.moves == {node: 1}


def test_no_look_up_is_made_for_instances_whose_nodes_are_listed():
    world, (c1,) = cloud(nodes=20, hosts=("c1",))
    world.boot(next(iter(world.groups)), "i1", "c1")
    c1.run()
    assert world.asked_for == set()


def test_a_peer_that_all_others_struck_out_keeps_its_nodes_until_it_ends():
    """The removed peer refuses a list without itself and goes on."""
    world, (c1, c2, c3) = cloud()
    pass_time(world, [c1, c2, c3], 30)
    kept = {n for n, host in owners(world).items() if host == "c3"}
    for peer in (c1, c2):
        peer.reload(HOSTS[:2])
        pass_time(world, [c1, c2, c3], 20)
    pass_time(world, [c1, c2, c3], 400)
    assert not world.moves
    assert rules(c1, c2) == {Rule.DISPUTED: len(kept)}
    world.services["c3"].disabled = True
    pass_time(world, [c1, c2, c3], 90)
    assert world.moves == dict.fromkeys(kept, 1)


def test_a_silent_peer_that_was_struck_out_loses_its_nodes_in_one_move():
    """It runs nova's own driver, which announces nothing."""
    world, (c1, c2, c3) = cloud(speaks=False)
    pass_time(world, [c1, c2, c3], 30)
    for peer in (c1, c2):
        peer.reload(HOSTS[:2])
        pass_time(world, [c1, c2, c3], 20)
    pass_time(world, [c1, c2, c3], 200)
    assert max(world.moves.values()) == 1


def test_a_node_does_not_move_while_lists_disagree():
    world, peers = cloud()
    pass_time(world, peers, 30)
    before = owners(world)
    peers[0].reload(["c1", "c2"])
    pass_time(world, peers, 1800)
    assert not world.moves
    assert set(rules(*peers)) == {Rule.DISPUTED}
    peers[0].reload(HOSTS)
    pass_time(world, peers, 100)
    assert owners(world) == before
    assert not world.moves


def test_lists_of_silent_peers_that_disagree_do_not_play_ping_pong():
    world, (c1, c2, c3) = cloud(speaks=False)
    pass_time(world, [c1, c2, c3], 30)
    c1.reload(["c1", "c2"])
    pass_time(world, [c1, c2, c3], 150)
    assert max(world.moves.values()) == 1
    contested = [
        verdict.reason
        for peer in (c2, c3)
        for verdict in peer.partition.snapshot.waiting.values()
        if verdict.rule is Rule.CONTESTED
    ]
    assert any("another peer_list?" in reason for reason in contested)
    pass_time(world, [c1, c2, c3], 7200)
    # Nova's own driver: one move per node and sweep, more than 700 here.
    assert max(world.moves.values()) <= 12


@pytest.mark.parametrize("speaks", [True, False])
def test_what_a_living_host_took_is_not_snatched_back(speaks):
    world, (c1, c2) = cloud(hosts=("c1", "c2"), speaks=speaks)
    pass_time(world, [c1, c2], 100)
    node = next(n for n, host in owners(world).items() if host == "c1")
    world.report("c2", [node])
    assert node in c1.run()
    assert world.rows[node] == "c2"
    assert node not in c1.run()
    assert c1.partition.snapshot.waiting[node].rule is Rule.CONTESTED


def test_a_contest_ends_with_the_next_run_of_a_peer_that_agrees():
    world, (c1, c2) = cloud(hosts=("c1", "c2"))
    pass_time(world, [c1, c2], 100)
    node = next(n for n, host in owners(world).items() if host == "c1")
    world.report("c2", [node])
    pass_time(world, [c1], 30)
    assert world.rows[node] == "c2"
    pass_time(world, [c2, c1], 10)
    assert world.rows[node] == "c1"


def test_a_peer_that_takes_what_it_gives_away_is_not_believed_for_ever():
    world, (c1, c2) = cloud(hosts=("c1", "c2"))
    pass_time(world, [c1, c2], 100)
    node = next(n for n, host in owners(world).items() if host == "c1")
    for _ in range(50):
        pass_time(world, [c1, c2], 10)
        world.report("c2", [node])
    assert 2 <= world.moves[node] <= 8


def test_no_node_falls_between_two_peers_when_one_is_overtaken():
    """c2 took in mid-sweep what it does not want any more."""
    world, (c1, c2) = cloud(hosts=("c1", "c2"))
    pass_time(world, [c1, c2], 100)
    node = next(n for n, host in owners(world).items() if host == "c1")
    world.report("c2", [node])
    pass_time(world, [c1, c2], 650)
    assert world.rows[node] == "c1"


def test_what_a_dead_host_took_is_taken_back():
    world, (c1, *_) = cloud(hosts=("c1",))
    c1.run()
    c1.run()
    node = next(iter(world.groups))
    world.report("gone", [node])
    c1.run()
    assert world.rows[node] == "c1"


def test_an_error_of_the_bare_metal_api_keeps_the_snapshot():
    world, (c1, *_) = cloud()
    before = c1.partition.sweep()
    world.broken = "answered 503"
    with pytest.raises(InventoryError):
        c1.partition.sweep()
    assert c1.partition.snapshot is before


def test_a_listing_that_shrinks_is_believed_at_the_second_sweep(caplog):
    world, (c1, *_) = cloud()
    before = c1.partition.sweep()
    world.groups.clear()
    assert c1.partition.sweep() is before
    assert "45 of 45 nodes vanished" in caplog.text
    assert not c1.partition.sweep().nodes


def test_absent_peers_are_named_once_per_change(caplog):
    world = World(5)
    c1 = Peer(world, "c1", ["c1", "typo", "c2"])
    caplog.set_level(logging.INFO)
    for _ in range(3):
        c1.run()
    named = [r for r in caplog.records if "typo is unknown" in r.message]
    assert [r.levelname for r in named] == ["WARNING"]
    Peer(world, "c2", ["c1", "c2"])
    c1.run()
    assert caplog.text.count("typo is unknown to Nova") == 2


def test_an_unknown_group_is_named_once_with_those_that_exist(caplog):
    world = World(5)
    c1 = Peer(world, "c1", ["c1"], key="rack-z")
    for _ in range(3):
        assert not c1.run()
    warnings = [r.message for r in caplog.records if "rack-z" in r.message]
    assert len(warnings) == 1
    assert "nodes are in: 'a'" in warnings[0]
    c1.partition.apply(Peer(world, "c1", ["c1"]).partition.settings)
    assert c1.run()


def test_without_a_key_all_ironic_services_share_all_nodes():
    world = World(60)
    world.groups[next(iter(world.groups))] = "b"
    peers = [Peer(world, host, [], key=None) for host in HOSTS]
    pass_time(world, peers, 600)
    assert set(world.rows) == set(world.groups)
    assert owners(world) == ring_owners(peers[0], world)


def test_a_living_holder_outside_of_the_list_is_asked_for_only_once():
    world, (c1, *_) = cloud(hosts=("c1",))
    stranger = Peer(world, "old", ["old"])
    world.report("old", world.groups)
    world.now += 100
    c1.beat()
    stranger.beat()
    world.looked_up = 0
    c1.run()
    assert world.looked_up == 2


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_any_order_of_deaths_and_returns_ends_with_one_owner_each(data):
    world, peers = cloud(nodes=20)
    alive = set(peers)
    for _ in range(data.draw(st.integers(1, 6))):
        peer = data.draw(st.sampled_from(peers))
        if peer in alive and len(alive) > 1:
            alive.discard(peer)
        else:
            alive.add(peer)
            peer.start(HOSTS)
        world.moves.clear()
        pass_time(
            world,
            sorted(alive, key=lambda p: p.host),
            data.draw(st.sampled_from([5, 30, 70, 140, 300])),
        )
        assert max(world.moves.values(), default=0) <= 2
    world.moves.clear()
    pass_time(world, sorted(alive, key=lambda p: p.host), 400)
    living = {peer.host for peer in alive}
    assert set(owners(world).values()) <= living
    assert owners(world) == ring_owners(next(iter(alive)), world)
    assert max(world.moves.values(), default=0) <= 1
