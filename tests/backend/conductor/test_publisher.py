# SPDX-License-Identifier: Apache-2.0
"""Announcements are sent in order, and forgotten only afterwards."""

from __future__ import annotations

import threading

import pytest

from baremetal_backend.conductor.publisher import Publisher
from baremetal_backend.core.errors import StorageUnavailable
from tests.fakes.outbox import FakeOutbox, row


class Sender:
    """Takes announcements; fails while ``broken``."""

    def __init__(self) -> None:
        self.sent: list[int] = []
        self.broken = False

    def __call__(self, one) -> None:
        if self.broken:
            raise RuntimeError("no broker")
        self.sent.append(one.id)


@pytest.fixture
def send():
    return Sender()


def test_what_waits_is_sent_in_order_and_forgotten(send):
    outbox = FakeOutbox(row(1), row(2), row(3))
    assert Publisher(outbox, send).publish() == 3
    assert send.sent == [1, 2, 3]
    assert outbox.rows == []


def test_what_could_not_be_sent_stays_and_keeps_its_place(send):
    outbox = FakeOutbox(row(1), row(2))
    publisher = Publisher(outbox, send)
    send.broken = True
    with pytest.raises(RuntimeError):
        publisher.publish()
    assert send.sent == []
    send.broken = False
    publisher.publish()
    assert send.sent == [1, 2]


def test_nothing_more_is_sent_once_another_took_over(send):
    outbox = FakeOutbox(row(1), row(2), row(3))
    outbox.taken_away = True
    assert Publisher(outbox, send).publish() == 1
    assert send.sent == [1]


def test_what_a_dead_conductor_left_is_sent_by_an_active_one(send):
    active, now = [False], [0.0]
    outbox = FakeOutbox(row(2))
    outbox.orphans = [row(1)]
    publisher = Publisher(outbox, send, lambda: active[0], lambda: now[0])
    publisher._turn()
    assert send.sent == [2]
    active[0] = True
    publisher._turn()
    assert send.sent == [2, 1]
    outbox.orphans = [row(3)]
    publisher._turn()
    assert send.sent == [2, 1]
    now[0] += 60
    publisher._turn()
    assert send.sent == [2, 1, 3]


@pytest.mark.parametrize(
    ("fault", "said"),
    [(StorageUnavailable("no database"), False), (ValueError("x"), True)],
)
def test_a_fault_neither_ends_the_thread_nor_makes_it_spin(
    send, caplog, fault, said
):
    outbox = FakeOutbox(row(1))
    outbox.broken = fault
    publisher = Publisher(outbox, send)
    assert publisher._turn() > 0
    assert bool(caplog.records) is said
    outbox.broken = None
    assert publisher._turn() == 0
    assert send.sent == [1]


def test_what_is_there_at_the_stop_is_still_sent(send):
    outbox = FakeOutbox()
    publisher = Publisher(outbox, send)
    thread = threading.Thread(target=publisher.run)
    publisher.stop()
    outbox.rows.append(row(1))
    thread.start()
    thread.join(20)
    assert not thread.is_alive()
    assert send.sent == [1]
