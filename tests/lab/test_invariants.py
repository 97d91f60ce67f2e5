# SPDX-License-Identifier: Apache-2.0
"""The invariants notice each way in which a partition can be wrong."""

from dataclasses import replace

from lab.invariants import (
    Expectation,
    Moves,
    Node,
    World,
    ring_owners,
    violations,
)

HOSTS = ("c1", "c2", "c3")
IDS = tuple(f"node-{number}" for number in range(30))
EXPECTED = Expectation("rack-a", HOSTS)


def good_world() -> World:
    return World(
        nodes=tuple(Node(i, i, "rack-a", "available", None) for i in IDS),
        rows=tuple(ring_owners(IDS, HOSTS).items()),
        server_hosts={},
    )


def other_than(host: str) -> str:
    return next(other for other in HOSTS if other != host)


def test_owners_as_the_ring_says_are_in_order() -> None:
    assert violations(good_world(), EXPECTED) == []


def test_the_ring_is_that_of_lower_case_names_in_any_order() -> None:
    assert ring_owners(IDS, ["C3", "c1", "C2"]) == ring_owners(IDS, HOSTS)
    assert set(ring_owners(IDS, HOSTS).values()) == set(HOSTS)


def test_a_node_without_an_owner_is_named() -> None:
    world = good_world()
    lost = world.rows[0][0]
    found = violations(replace(world, rows=world.rows[1:]), EXPECTED)
    assert found == [f"{lost} has no owner"]


def test_a_node_with_two_records_is_named() -> None:
    world = good_world()
    found = violations(
        replace(world, rows=(world.rows[0], *world.rows)), EXPECTED
    )
    assert found == [f"node {world.rows[0][0]} has 2 records"]


def test_a_node_at_another_host_than_the_rings_is_named() -> None:
    world = good_world()
    (lost, owner), *rest = world.rows
    wrong = other_than(owner)
    found = violations(replace(world, rows=((lost, wrong), *rest)), EXPECTED)
    assert found == [
        f"{lost} is owned by {wrong}, not by {owner} although the ring says so"
    ]


def test_a_node_with_a_server_must_be_at_the_servers_host() -> None:
    world = good_world()
    (node, owner), *rest = world.rows
    host = other_than(owner)
    served = replace(world, server_hosts={node: host})
    assert violations(served, EXPECTED) == [
        f"{node} is owned by {owner}, not by {host} although its server lives"
        " there"
    ]
    moved = replace(served, rows=((node, host), *rest))
    assert violations(moved, EXPECTED) == []


def test_nodes_of_other_groups_need_no_owner() -> None:
    world = good_world()
    stranger = Node("x", "x", "rack-b", "available", None)
    world = replace(world, nodes=(*world.nodes, stranger))
    assert violations(world, EXPECTED) == []


def test_a_member_that_is_gone_may_own_nothing() -> None:
    found = violations(good_world(), replace(EXPECTED, members=("c1", "c2")))
    assert found
    assert all("owned by c3" in sentence for sentence in found)


def test_moves_count_changes_of_owners_and_no_first_owners() -> None:
    moves = Moves()
    moves.see({"a": "c1"})
    moves.see({"a": "c1", "b": "c1"})
    assert (moves.nodes, moves.most) == (0, 0)
    moves.see({"a": "c2"})
    moves.see({"a": "c1", "b": "c3"})
    assert (moves.nodes, moves.most) == (2, 2)
    moves.restart()
    moves.see({"a": "c3"})
    assert (moves.nodes, moves.most) == (1, 1)
