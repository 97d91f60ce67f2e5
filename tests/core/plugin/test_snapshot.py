# SPDX-License-Identifier: Apache-2.0
"""Sweeps as values, and the doubt about listings that shrink."""

from hypothesis import given
from hypothesis import strategies as st

from nova_ironic_partition.core.identity import HostName, PartitionKey
from nova_ironic_partition.core.snapshot import (
    FIELDS,
    NodeRecord,
    Scope,
    ShrinkGuard,
    Snapshot,
)

SCOPE = Scope(PartitionKey("a"), None)
OTHER = Scope(PartitionKey("b"), None)
TWENTY = frozenset(f"n{i}" for i in range(20))


def snapshot(listed, scope=SCOPE):
    return Snapshot(
        scope=scope,
        view=None,
        epoch=None,
        listed=listed,
        nodes={},
        claimed=frozenset(),
        held=frozenset(),
        waiting={},
        contests={},
        rules={},
        taken_at=0.0,
    )


def some(count):
    return frozenset(sorted(TWENTY)[:count])


def test_a_record_has_one_attribute_per_field():
    assert len(NodeRecord._fields) == len(FIELDS)


def test_an_ordinary_loss_is_believed():
    assert ShrinkGuard().doubts(snapshot(TWENTY), SCOPE, some(10), 50) is None


def test_a_big_loss_is_doubted_once_and_believed_when_confirmed():
    guard = ShrinkGuard()
    previous = snapshot(TWENTY)
    doubt = guard.doubts(previous, SCOPE, some(9), 50)
    assert doubt.startswith("11 of 20 nodes vanished")
    assert guard.doubts(previous, SCOPE, some(9), 50) is None


def test_an_even_bigger_loss_is_doubted_again():
    guard = ShrinkGuard()
    previous = snapshot(TWENTY)
    assert guard.doubts(previous, SCOPE, some(9), 50)
    assert guard.doubts(previous, SCOPE, some(2), 50)
    assert guard.doubts(previous, SCOPE, some(2), 50) is None


def test_an_empty_answer_of_a_filled_partition_is_doubted():
    assert ShrinkGuard().doubts(snapshot(TWENTY), SCOPE, frozenset(), 50)


def test_another_scope_or_a_first_sweep_has_nothing_to_compare_with():
    guard = ShrinkGuard()
    assert guard.doubts(None, SCOPE, frozenset(), 50) is None
    assert guard.doubts(snapshot(TWENTY), OTHER, frozenset(), 50) is None


def test_a_small_partition_and_a_guard_that_is_off_are_not_doubted():
    guard = ShrinkGuard()
    assert guard.doubts(snapshot(some(9)), SCOPE, frozenset(), 50) is None
    assert guard.doubts(snapshot(TWENTY), SCOPE, frozenset(), 100) is None


@given(st.lists(st.sets(st.sampled_from(sorted(TWENTY))), max_size=8))
def test_what_stays_missing_is_believed_at_the_second_listing(listings):
    """Never more than one sweep in a row keeps a view that is confirmed."""
    guard = ShrinkGuard()
    previous = snapshot(TWENTY)
    for listing in listings:
        listed = frozenset(listing)
        if guard.doubts(previous, SCOPE, listed, 50):
            assert guard.doubts(previous, SCOPE, listed, 50) is None
        previous = snapshot(listed)


def test_hosts_of_a_summary_are_not_needed():
    text = snapshot(TWENTY).summary()
    assert text == "0 of 20 nodes reported (0 with instances)"
    assert HostName("c1").key not in text
