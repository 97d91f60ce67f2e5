# SPDX-License-Identifier: Apache-2.0
"""Tables are aligned, and the table of owners counts what is served."""

from lab import owners_table, table
from lab.invariants import Node, World
from lab.owners_table import HostLine


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    text = table.render(["host", "n"], [["c1", 7], ["compute-2", 1234]])
    assert text.splitlines() == [
        "host       n",
        "---------  ----",
        "c1            7",
        "compute-2  1234",
    ]


def node(name: str, group: str) -> Node:
    return Node(name, name, group, "available", None)


def numbers(world: World) -> list[list[str]]:
    lines = [
        HostLine(host, "up", ("c1", "c2"), "rack-a") for host in ("c1", "c2")
    ]
    text = owners_table.render(world, lines, ["rack-a", "rack-b"])
    return [line.split()[-3:] for line in text.splitlines()[2:]]


def test_owned_and_unowned_nodes_are_counted_by_group() -> None:
    world = World(
        nodes=(node("a", "rack-a"), node("b", "rack-a"), node("x", "rack-b")),
        rows=(("a", "c1"), ("b", "c2")),
        server_hosts={"b": "c2"},
    )
    assert numbers(world) == [
        ["1", "0", "0"],
        ["1", "0", "1"],
        ["0", "1", "0"],
    ]


def test_the_record_of_a_node_that_left_the_group_counts_for_nobody() -> None:
    world = World(
        nodes=(node("a", "rack-b"),), rows=(("a", "c1"),), server_hosts={}
    )
    assert numbers(world) == [
        ["0", "0", "0"],
        ["0", "0", "0"],
        ["0", "1", "0"],
    ]


def test_a_node_with_a_server_counts_for_its_host_in_any_group() -> None:
    world = World(
        nodes=(node("a", "rack-b"),),
        rows=(("a", "c1"),),
        server_hosts={"a": "c1"},
    )
    assert numbers(world)[0] == ["0", "1", "1"]
