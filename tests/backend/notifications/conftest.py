# SPDX-License-Identifier: Apache-2.0
"""A real broker, and somebody who listens."""

from __future__ import annotations

import itertools

import pytest
from oslo_config import cfg

from tests.backend.notifications.consumer import Consumer
from tests.databases import servers

_topics = itertools.count(1)


@pytest.fixture
def rabbit():
    """A broker that serves, before and after the test."""
    found = servers.rabbitmq()
    yield found
    if not found.process.is_running:
        found.process.start()
    found.wait_ready()


@pytest.fixture
def topic():
    """A topic that no other test uses."""
    return f"topic_{next(_topics)}"


@pytest.fixture
def consumer(rabbit, topic):
    return Consumer(rabbit.url, topic)


@pytest.fixture
def options(rabbit):
    """oslo.config with the broker's address."""

    def read(url: str | None = None) -> cfg.ConfigOpts:
        conf = cfg.ConfigOpts()
        conf([])
        import oslo_messaging

        oslo_messaging.get_notification_transport(conf, "fake://")
        conf.set_override(
            "transport_url",
            rabbit.url if url is None else url,
            "oslo_messaging_notifications",
        )
        return conf

    return read
