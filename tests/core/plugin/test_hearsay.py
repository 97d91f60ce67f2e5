# SPDX-License-Identifier: Apache-2.0
"""What was announced, when it was heard, and where to listen next."""

import dataclasses
import random
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_ironic_partition.core.epoch import Announcement, Epoch
from nova_ironic_partition.core.hearsay import (
    ROWS,
    SEARCH_AGAIN,
    Hearsay,
    Post,
    Sighting,
    Standing,
    disagreements,
    rows_to_guess,
    rows_to_write,
)
from nova_ironic_partition.core.identity import HostName

C1, C2, C3 = (HostName(name) for name in ("c1", "c2", "c3"))
HOSTS = ("c1", "c2", "c3")
OURS = Epoch("a", None, HOSTS, HOSTS, 1024)
SETTLE = 60.0


def post(turn, row="n1", host=C2, epoch=OURS):
    return Post(row, Announcement(host, turn, epoch))


def node_ids(count, seed=0):
    source = random.Random(seed)
    return [str(uuid.UUID(int=source.getrandbits(128))) for _ in range(count)]


def test_the_first_turn_that_is_seen_is_not_called_renewed():
    sighting = Hearsay().heard([post(7)], 10.0).of[C2]
    assert (sighting.renewed, sighting.heard_at) == (False, 10.0)


def test_a_new_turn_is_heard_when_it_is_first_seen():
    hearsay = Hearsay().heard([post(7)], 10.0).heard([post(8)], 70.0)
    hearsay = hearsay.heard([post(8)], 130.0)
    sighting = hearsay.of[C2]
    assert (sighting.renewed, sighting.heard_at) == (True, 70.0)
    assert sighting.same_since == 10.0


def test_the_newest_of_several_turns_counts_and_all_rows_are_kept():
    hearsay = Hearsay().heard([post(7, "n1"), post(8, "n2")], 10.0)
    assert hearsay.of[C2].announcement.turn == 8
    assert hearsay.known_rows([C2, C3]) == {"n1", "n2"}


def test_a_process_that_counts_from_one_again_is_heard():
    """It read nothing of its predecessor, whose rows are gone."""
    hearsay = Hearsay().heard([post(7)], 10.0).heard([post(1)], 70.0)
    assert hearsay.of[C2].announcement.turn == 1
    assert hearsay.of[C2].renewed


def test_rows_that_fell_silent_are_forgotten_when_others_speak():
    hearsay = Hearsay().heard([post(7, "n1"), post(7, "n2")], 10.0)
    assert hearsay.heard([post(8, "n2")], 70.0).known_rows([C2]) == {"n2"}


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 99)), min_size=1))
def test_the_rows_that_are_read_do_not_become_many(found):
    posts = [post(turn, f"n{row}") for turn, row in found]
    hearsay = Hearsay().heard(posts, 0.0)
    assert 1 <= len(hearsay.known_rows([C2])) <= 2 * ROWS
    assert hearsay.of[C2].announcement.turn == max(t for t, _ in found)


@pytest.mark.parametrize(
    ("settle", "now", "known"),
    [
        (60.0, 179.9, True),
        (60.0, 180.0, False),
        (0.0, 29.9, True),
        (0.0, 30.0, False),
        (600.0, 1799.9, True),
        (600.0, 1800.0, False),
    ],
)
def test_what_is_not_renewed_for_long_says_nothing(settle, now, known):
    hearsay = Hearsay().heard([post(7)], 0.0)
    assert (C2 in hearsay.current(now, settle)) is known


@pytest.mark.parametrize(
    ("settle", "now", "overdue"),
    [
        (60.0, 89.9, False),
        (60.0, 90.0, True),
        (0.0, 9.9, False),
        (0.0, 10.0, True),
    ],
)
def test_who_was_not_heard_for_longer_than_a_run_is_looked_for(
    settle, now, overdue
):
    hearsay = Hearsay().heard([post(7)], 0.0)
    assert hearsay.overdue([C2, C3], now, settle) == (
        {C2, C3} if overdue else {C3}
    )


def test_all_rows_of_a_host_are_read_once_in_a_while_only():
    hearsay = Hearsay().after_search(C2, 100.0)
    assert hearsay.to_search([C2, C3], 101.0) == [C3]
    later = hearsay.after_search(C3, 500.0)
    assert later.to_search([C3, C2], 100.0 + SEARCH_AGAIN) == [C2]
    assert later.to_search([C3, C2], 500.0 + SEARCH_AGAIN) == [C2, C3]


@pytest.mark.parametrize("count", [0, 3, ROWS, 200])
def test_few_rows_carry_the_announcement(count):
    claimed, others = node_ids(count), node_ids(20, seed=1)
    rows = rows_to_write(claimed, others)
    assert len(rows) == ROWS
    assert len(rows & set(claimed)) == min(count, ROWS)


def test_a_host_without_a_node_has_no_row():
    assert rows_to_write([], []) == frozenset()


@pytest.mark.parametrize("instances", [0, 250, 297, 300])
def test_who_sees_the_same_finds_all_peers_at_the_first_guess(instances):
    nodes = node_ids(300)
    taken, free = nodes[:instances], nodes[instances:]
    guess = rows_to_guess([C2, C3], free, taken, OURS)
    for number, host in enumerate((C2, C3)):
        claimed = [n for n in free if OURS.owner(n) == host]
        rows = rows_to_write(claimed, taken[number::3])
        assert guess & rows
    assert len(guess) <= 2 * 2 * ROWS + 3 * ROWS


@pytest.mark.parametrize("live", [HOSTS[:2], (*HOSTS, "c4")])
def test_the_guess_is_good_for_a_peer_that_counts_one_more_or_less(live):
    nodes = node_ids(300)
    theirs = dataclasses.replace(OURS, live=live)
    claimed = [n for n in nodes if theirs.owner(n) == C2]
    assert rows_to_guess([C2], nodes, [], OURS) & rows_to_write(claimed, [])


OTHER_LIST = dataclasses.replace(OURS, peers=("c1", "c2"))
OTHER_LIVE = dataclasses.replace(OURS, live=("c1", "c2"))


def sighting(epoch, *, heard_at, renewed=True, same_since=0.0, host=C2):
    return {
        host: Sighting(
            Announcement(host, 5, epoch),
            frozenset(),
            heard_at,
            renewed,
            same_since,
        )
    }


@pytest.mark.parametrize("theirs", [OTHER_LIST, OTHER_LIVE])
@pytest.mark.parametrize(
    ("heard", "since", "named"),
    [
        ({"heard_at": 1060.0}, 1000.0, True),
        # Written before there was time enough for both to see the same.
        ({"heard_at": 1059.9}, 1000.0, False),
        ({"heard_at": 1060.0, "same_since": 1000.1}, 0.0, False),
        ({"heard_at": 1060.0, "same_since": 1000.0}, 0.0, True),
        # Left over from a former life, perhaps.
        ({"heard_at": 1060.0, "renewed": False}, 1000.0, False),
    ],
)
def test_a_difference_counts_when_it_was_repeated_after_the_settle_time(
    theirs, heard, since, named
):
    found = disagreements(
        Standing(OURS, since), {C2}, sighting(theirs, **heard), SETTLE
    )
    assert (C2 in found) is named


def test_who_says_nothing_does_not_disagree():
    assert disagreements(Standing(OURS, 0.0), {C2, C3}, {}, SETTLE) == {}


def test_a_stranger_that_serves_other_nodes_is_not_compared():
    other = dataclasses.replace(OURS, key="b")
    heard = sighting(other, heard_at=1000.0, host=C3)
    assert not disagreements(Standing(OURS, 0.0), {C2}, heard, SETTLE)
    assert disagreements(Standing(OURS, 0.0), {C3}, heard, SETTLE)


def test_a_stranger_that_serves_our_nodes_is_named():
    alone = dataclasses.replace(OURS, peers=("c3",), live=("c3",))
    heard = sighting(alone, heard_at=1000.0, host=C3)
    found = disagreements(Standing(OURS, 0.0), {C2}, heard, SETTLE)
    assert found[C3].what == "c3's peer_list lacks c1, c2"


def test_our_own_epoch_is_as_old_as_its_last_change():
    standing = Standing.unknown().next(OURS, 5.0)
    assert standing.next(OURS, 9.0).since == 5.0
    assert standing.next(OTHER_LIVE, 9.0).since == 9.0
