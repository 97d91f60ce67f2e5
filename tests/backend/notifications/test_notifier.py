# SPDX-License-Identifier: Apache-2.0
"""From a change of a node to a consumer at a real broker."""

from __future__ import annotations

import signal
import threading
import time

import pytest

from baremetal_backend.conductor.publisher import Publisher
from baremetal_backend.conf.settings import ConfigurationError
from baremetal_backend.core.records import Node
from baremetal_backend.rpc.notifier import OsloNotifier
from baremetal_backend.storage import Database, DatabaseOptions, Storage
from baremetal_backend.storage.outbox import Announcing
from tests.databases.lending import empty_database
from tests.fakes.outbox import row

NOW = 1_800_000_000.0


@pytest.fixture
def storage(tmp_path):
    with empty_database("sqlite", tmp_path) as url:
        options = DatabaseOptions(url, sqlite_synchronous=False)
        found = Storage(Database(options), lambda: NOW, Announcing("one"))
        yield found
        found.close()


@pytest.fixture
def publish(storage, options, topic):
    """A publisher that runs."""
    notifier = OsloNotifier(options(), "one", [topic])
    publisher = Publisher(storage.outbox, notifier.send)
    thread = threading.Thread(target=publisher.run, daemon=True)
    thread.start()
    yield publisher
    publisher.stop()
    thread.join(30)
    assert not thread.is_alive()
    notifier.close()


def node(storage, number=1):
    return storage.nodes.create(
        Node(
            uuid=f"00000000-0000-4000-8000-{number:012d}",
            driver="fake-hardware",
            provision_state="available",
        )
    )


def change(storage, one, **values):
    result = storage.nodes.change(
        one.uuid, values, seen_version=storage.nodes.get(one.uuid).version
    )
    return result.record


def numbers(messages):
    return [m["payload"]["ironic_object.data"]["extra"]["n"] for m in messages]


def test_a_consumer_gets_what_ironics_consumers_expect(
    storage, publish, consumer
):
    one = node(storage)
    change(
        storage,
        one,
        provision_state="deploying",
        target_provision_state="active",
    )
    created, started = consumer.receive(2)
    assert created["event_type"] == "baremetal.node.create.end"
    assert started["event_type"] == "baremetal.node.provision_set.start"
    assert started["publisher_id"] == "baremetal-backend.one"
    assert started["priority"] == "INFO"
    payload = started["payload"]
    assert payload["ironic_object.name"] == "NodeSetProvisionStatePayload"
    assert payload["ironic_object.data"]["uuid"] == one.uuid
    assert payload["ironic_object.data"]["event"] == "deploy"


def test_a_failure_arrives_with_its_severity(storage, publish, consumer):
    one = node(storage)
    change(storage, one, provision_state="deploying")
    change(storage, one, provision_state="deploy failed", last_error="burnt")
    failed = consumer.receive(3)[-1]
    assert failed["priority"] == "ERROR"
    assert failed["payload"]["ironic_object.data"]["last_error"] == "burnt"


@pytest.mark.timeout(180)
def test_a_dead_broker_delays_loses_nothing_and_blocks_nobody(
    rabbit, storage, publish, consumer
):
    one = node(storage)
    consumer.receive(1)
    rabbit.process.kill()
    began = time.monotonic()
    for number in range(20):
        change(storage, one, extra={"n": number})
    assert time.monotonic() - began < 5
    assert storage.outbox.waiting()[0] == 20
    rabbit.process.start()
    rabbit.wait_ready()
    assert numbers(consumer.receive(20, seconds=90)) == list(range(20))
    deadline = time.monotonic() + 30
    while storage.outbox.waiting()[0]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.timeout(180)
def test_a_broker_that_hangs_gets_everything_in_order_when_it_wakes(
    rabbit, storage, publish, consumer
):
    one = node(storage)
    consumer.receive(1)
    rabbit.process.signal(signal.SIGSTOP)
    try:
        for number in range(5):
            change(storage, one, extra={"n": number})
        time.sleep(1)
        assert storage.outbox.waiting()[0] == 5
    finally:
        rabbit.process.signal(signal.SIGCONT)
    found = numbers(consumer.receive(5, seconds=90))
    # At least once: what was under way may come twice, but never late.
    assert list(dict.fromkeys(found)) == list(range(5))
    assert found == sorted(found)


def test_the_next_process_sends_what_a_killed_one_left(
    storage, options, topic, consumer
):
    one = node(storage)
    for number in range(3):
        change(storage, one, extra={"n": number})
    notifier = OsloNotifier(options(), "one", [topic])
    # Died after the first was sent and before it was forgotten.
    notifier.send(storage.outbox.pending()[0])
    assert Publisher(storage.outbox, notifier.send).publish() == 4
    notifier.close()
    created, again, *changes = consumer.receive(5)
    assert created["event_type"] == again["event_type"]
    assert numbers(changes) == [0, 1, 2]


def test_a_broker_that_nobody_named_is_refused_at_the_start(options):
    with pytest.raises(ConfigurationError, match="notification_level"):
        OsloNotifier(options(""), "one", ["t"])
    with pytest.raises(ConfigurationError, match="transport_url"):
        OsloNotifier(options("nonsense://x"), "one", ["t"])


@pytest.mark.parametrize("driver", ["log", "noop"])
def test_a_driver_without_a_broker_needs_none(options, driver):
    conf = options("")
    conf.set_override("driver", [driver], "oslo_messaging_notifications")
    notifier = OsloNotifier(conf, "one", ["t"])
    notifier.send(row(1, severity="WARNING"))
    notifier.close()
