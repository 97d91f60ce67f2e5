# SPDX-License-Identifier: Apache-2.0
"""Epochs: equal or not, written and read, and what differs."""

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_ironic_partition.core.epoch import (
    LAST_TURN,
    LONGEST,
    LONGEST_SHARD,
    Announcement,
    Epoch,
    difference,
    read,
)
from nova_ironic_partition.core.identity import HostName, PartitionKey
from nova_ironic_partition.core.ring import MOST_POINTS, Ring

NAMES = st.text("aBc1.-", min_size=1, max_size=5)
HOSTS = st.lists(NAMES.map(HostName), max_size=5)
EPOCHS = st.builds(
    Epoch.of,
    st.none() | st.sampled_from(["", "a", "Rack-1"]).map(PartitionKey),
    st.none() | NAMES,
    st.none() | HOSTS,
    HOSTS,
    st.integers(1, 65536),
)
C1, C2, C3 = (HostName(name) for name in ("c1", "c2", "c3"))
KEY = PartitionKey("a")
OURS = Epoch.of(KEY, None, [C1, C2, C3], [C1, C2], 1024)


@given(HOSTS, HOSTS, st.randoms())
def test_order_and_case_of_hosts_make_no_difference(peers, live, source):
    def shuffled(hosts):
        names = [host.display.swapcase() for host in hosts] * 2
        source.shuffle(names)
        return [HostName(name) for name in names]

    one = Epoch.of(KEY, None, peers, live, 32)
    other = Epoch.of(KEY, None, shuffled(peers), shuffled(live), 32)
    assert one == other
    assert one.digest == other.digest


@given(EPOCHS, EPOCHS)
def test_digests_are_equal_for_equal_epochs_only(one, other):
    assert (one.digest == other.digest) == (one == other)


@given(EPOCHS, NAMES, st.integers(1, 10**9))
def test_what_is_written_is_read(epoch, host, turn):
    announcement = Announcement(HostName(host), turn, epoch)
    found = read(announcement.write())
    assert found == announcement
    assert found.host.display == host


def test_the_written_form_can_be_read_by_a_person():
    text = Announcement(HostName("C1"), 17, OURS).write()
    written = (
        '{"v":1,"host":"C1","turn":17,"epoch":"DIGEST","key":"a",'
        '"shard":null,"peers":["c1","c2","c3"],"live":["c1","c2"],'
        '"points":1024}'
    )
    assert text == written.replace("DIGEST", OURS.digest)


GOOD = json.loads(Announcement(C1, 17, OURS).write())


@pytest.mark.parametrize(
    "text",
    [
        None,
        17,
        "",
        "{",
        "[]",
        "null",
        '"a"',
        "{}",
        "[" * 5000,
        *(json.dumps({**GOOD, name: None}) for name in ("v", "host", "turn")),
        *(json.dumps({**GOOD, name: None}) for name in ("live", "points")),
        json.dumps({**GOOD, "v": 2}),
        json.dumps({**GOOD, "turn": "17"}),
        json.dumps({**GOOD, "turn": True}),
        json.dumps({**GOOD, "points": 0}),
        json.dumps({**GOOD, "live": [1]}),
        json.dumps({**GOOD, "peers": 3}),
        json.dumps({**GOOD, "key": 3}),
        json.dumps({**GOOD, "shard": []}),
        json.dumps({n: v for n, v in GOOD.items() if n != "peers"}),
        json.dumps(GOOD) + " " * LONGEST,
    ],
)
def test_what_is_no_announcement_is_nothing(text):
    assert read(text) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"v": True},
        {"v": 1.0},
        {"host": ""},
        {"host": "\ud800"},
        {"host": "c1\nERROR c2"},
        {"host": "c" * 256},
        {"turn": 0},
        {"turn": LAST_TURN + 1},
        {"key": "a b"},
        {"key": "k" * 256},
        {"shard": "\ud800"},
        {"shard": ""},
        {"shard": "s" * (LONGEST_SHARD + 1)},
        {"peers": "abc"},
        {"peers": {"c1": 1}},
        {"peers": ["c1", ""]},
        {"live": "abc"},
        {"live": {"c1": 1}},
        {"live": ["\ud800"]},
        {"live": ["c 1"]},
        {"points": MOST_POINTS + 1},
        {"points": 10**30},
        {"points": 32.0},
    ],
    ids=str,
)
def test_what_nobody_can_configure_is_not_read(changes):
    assert read(json.dumps({**GOOD, **changes})) is None


def test_what_is_read_is_normalised_as_what_is_configured():
    text = json.dumps({**GOOD, "key": "A", "live": ["C2", "c1", "c2"]})
    assert read(text).epoch == OURS


ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-1, 64)
    | st.floats()
    | st.text(st.characters(), max_size=3)
    | st.sampled_from(["c1", "C1", "\ud800"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=2), inner, max_size=2)
    ),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from(sorted(GOOD)), ODD, max_size=2))
def test_whatever_is_read_can_be_asked_and_told(changes):
    found = read(json.dumps({**GOOD, "points": 32, **changes}))
    if found is not None:
        found.epoch.owner("n")
        difference(found.host, found.epoch, OURS)
        assert read(found.write()) == found


@given(st.text() | st.dictionaries(st.text(), st.none()).map(json.dumps))
def test_any_text_is_read_without_an_error(text):
    assert read(text) is None


def test_a_later_version_may_add_to_the_form():
    assert read(json.dumps({**GOOD, "state": "draining"})).epoch == OURS


def test_more_peers_than_there_is_room_for_are_not_announced():
    many = [HostName(f"{'c' * 60}{number}") for number in range(300)]
    epoch = Epoch.of(KEY, None, many, many, 1024)
    assert Announcement(C1, 1, epoch).write() is None


@given(st.lists(NAMES.map(HostName), min_size=1, max_size=4), st.uuids())
def test_an_epoch_knows_what_its_host_reports(live, node):
    epoch = Epoch.of(KEY, None, live, live, 32)
    expected = Ring(set(live), 32).owner(str(node))
    assert epoch.owner(str(node)) == expected


def test_without_members_an_epoch_gives_nodes_to_nobody():
    assert Epoch.of(KEY, None, [], [], 32).owner("n") is None


@pytest.mark.parametrize(
    ("key", "shard", "lists"),
    [
        ("a", None, True),
        (None, None, True),
        ("b", None, False),
        ("", None, False),
        ("a", "s1", False),
        (None, "s1", False),
    ],
)
def test_who_has_another_partition_does_not_list_our_nodes(key, shard, lists):
    theirs = dataclasses.replace(OURS, key=key, shard=shard)
    assert theirs.lists(OURS) is lists


@pytest.mark.parametrize(
    ("changes", "what", "configured"),
    [
        (
            {"key": "b"},
            "c2 has partition key 'b' and this service partition key 'a'",
            True,
        ),
        (
            {"key": None, "peers": None},
            "c2 has no partition key and this service partition key 'a'",
            True,
        ),
        ({"shard": "s1"}, "c2 has shard 's1' and this service no shard", True),
        (
            {"points": 32},
            "c2 has ring_points 32 and this service 1024",
            True,
        ),
        (
            {"points": 32, "key": "", "peers": ("c2",), "live": ("c2",)},
            "c2 has partition key '' and this service partition key 'a', "
            "c2 has ring_points 32 and this service 1024",
            True,
        ),
        ({"peers": ("c1", "c2")}, "c2's peer_list lacks c3", True),
        (
            {"peers": ("c1", "c2", "c4"), "live": ("c2",)},
            "c2's peer_list lacks c3 and has c4 besides",
            True,
        ),
        ({"live": ("c1", "c2", "c3")}, "c2's ring has c3 besides", False),
        ({"live": ("c2",)}, "c2's ring lacks c1", False),
    ],
)
def test_a_difference_says_who_differs_in_what(changes, what, configured):
    found = difference(C2, dataclasses.replace(OURS, **changes), OURS)
    assert (found.what, found.configured) == (what, configured)


@given(EPOCHS, EPOCHS)
def test_there_is_a_difference_where_epochs_differ(one, other):
    assert (difference(C2, one, other) is None) == (one == other)
