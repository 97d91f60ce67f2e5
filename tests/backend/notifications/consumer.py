# SPDX-License-Identifier: Apache-2.0
"""A consumer of notifications that knows nothing of this service."""

from __future__ import annotations

import json
import queue
import time

import kombu


class Consumer:
    """Collects the messages of a topic, of all severities, in order."""

    def __init__(self, url: str, topic: str) -> None:
        self._url = url.replace("rabbit://", "amqp://")
        self._names = [f"{topic}.{level}" for level in ("info", "error")]

    def receive(self, number: int, seconds: float = 30.0) -> list[dict]:
        """Wait for so many messages. Fails when they don't come."""
        found: list[dict] = []
        deadline = time.monotonic() + seconds
        while len(found) < number:
            assert time.monotonic() < deadline, f"{len(found)} of {number}"
            with kombu.Connection(self._url, connect_timeout=5) as link:
                for name in self._names:
                    found += self._take(link, name)
            time.sleep(0.05)
        return found

    def _take(self, link: kombu.Connection, name: str) -> list[dict]:
        found = []
        # As oslo.messaging declares it; whoever comes first makes it.
        inbox = link.SimpleQueue(
            kombu.Queue(
                name,
                kombu.Exchange("openstack", "topic", durable=False),
                routing_key=name,
                durable=False,
                auto_delete=False,
            )
        )
        try:
            while True:
                message = inbox.get(block=False)
                body = message.decode()
                body = json.loads(body) if isinstance(body, str) else body
                found.append(json.loads(body["oslo.message"]))
                message.ack()
        except queue.Empty:
            return found
        finally:
            inbox.close()
