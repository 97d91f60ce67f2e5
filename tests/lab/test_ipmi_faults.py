# SPDX-License-Identifier: Apache-2.0
"""What the proxy does to datagrams, by its dice alone."""

from __future__ import annotations

import random

import pytest

from lab.ipmi.faults import (
    BLACKHOLE,
    IPMI,
    MUTE,
    OPEN_REQUEST,
    RAKP2,
    Faults,
    payload_type,
    spoil,
)
from lab.ipmi.rmcp import plain

ASKED = plain(OPEN_REQUEST, bytes(range(32)))
ANSWERED = plain(RAKP2, bytes(range(40)))


def arriving(faults: Faults, is_reply: bool = True) -> list[list[bytes]]:
    """Of 1000 datagrams."""
    dice = random.Random(4)
    return [
        [spoilt for _, spoilt in spoil(ANSWERED, faults, is_reply, dice)]
        for _ in range(1000)
    ]


def test_a_good_network_changes_nothing() -> None:
    assert arriving(Faults()) == [[ANSWERED]] * 1000


def test_a_fifth_is_lost_in_each_direction() -> None:
    for is_reply in (True, False):
        lost = arriving(Faults(drop=0.2), is_reply).count([])
        assert 150 < lost < 250


def test_a_mute_controller_still_hears() -> None:
    assert arriving(MUTE, is_reply=True) == [[]] * 1000
    assert arriving(MUTE, is_reply=False) == [[ANSWERED]] * 1000


def test_nothing_leaves_a_black_hole() -> None:
    for is_reply in (True, False):
        assert arriving(BLACKHOLE, is_reply) == [[]] * 1000


def test_some_come_twice() -> None:
    twice = arriving(Faults(duplicate=0.3)).count([ANSWERED] * 2)
    assert 250 < twice < 350


def test_a_truncated_one_is_a_beginning() -> None:
    for [spoilt] in arriving(Faults(truncate=1.0)):
        assert len(spoilt) < len(ANSWERED)
        assert ANSWERED.startswith(spoilt)


def test_garbage_is_still_looked_at() -> None:
    for [spoilt] in arriving(Faults(garbage=1.0)):
        assert spoilt[:4] == ANSWERED[:4]
        assert spoilt != ANSWERED


def test_only_the_session_is_wrong() -> None:
    for [spoilt] in arriving(Faults(wrong_session=1.0)):
        changed = [
            at for at, byte in enumerate(spoilt) if byte != ANSWERED[at]
        ]
        # Of the payload, which begins at 16: the console's session.
        assert changed == [20, 21, 22, 23]


def test_a_late_answer_is_late_by_so_much() -> None:
    dice = random.Random(4)
    for _ in range(100):
        [(later, spoilt)] = spoil(
            ANSWERED, Faults(delay=1.0, jitter=0.5), True, dice
        )
        assert 1.0 <= later <= 1.5
        assert spoilt == ANSWERED


def test_a_request_is_not_delayed() -> None:
    dice = random.Random(4)
    assert spoil(ASKED, Faults(delay=1.0), False, dice) == [(0.0, ASKED)]


def test_other_kinds_of_datagrams_pass() -> None:
    dice = random.Random(4)
    faults = Faults(drop=1.0, only=(RAKP2,))
    assert spoil(ANSWERED, faults, True, dice) == []
    assert spoil(ASKED, faults, False, dice) == [(0.0, ASKED)]


@pytest.mark.parametrize(
    ("datagram", "kind"),
    [
        (ASKED, OPEN_REQUEST),
        (plain(IPMI, b"\x20"), IPMI),
        (plain(None, b"\x20"), None),
        (b"", None),
    ],
)
def test_the_kind_of_a_datagram_is_known(
    datagram: bytes, kind: int | None
) -> None:
    assert payload_type(datagram) == kind
