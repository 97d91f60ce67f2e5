# SPDX-License-Identifier: Apache-2.0
"""Announcements as oslo.messaging notifications.

Only imported when ``[DEFAULT]notification_level`` asks for it. ``send``
returns when the message is with the broker: as long as no broker answers, it
tries again, for ever. Hence it is called by a thread that may wait, and that
forgets an announcement only afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from oslo_config import cfg

from baremetal_backend.conf.settings import ConfigurationError
from baremetal_backend.rpc import native_threads
from baremetal_backend.storage.outbox import Announcement

native_threads.choose()
import oslo_messaging  # noqa: E402

_GROUP = "oslo_messaging_notifications"
_DRIVER = "messagingv2"

# oslo.messaging's drivers log what they can't send and report success. Only
# a driver that never gives up loses nothing.
_FOR_EVER = -1


class OsloNotifier:
    """One way to the consumers. Owned by the thread that publishes."""

    def __init__(
        self, options: cfg.ConfigOpts, host: str, topics: Sequence[str]
    ) -> None:
        """Connects to nothing yet. Errors: ConfigurationError."""
        try:
            self._transport = oslo_messaging.get_notification_transport(
                options
            )
        except Exception as error:
            text = " ".join(str(error).split())
            raise ConfigurationError(
                f"[{_GROUP}]transport_url: {text}; write it like "
                "rabbit://user:password@host:5672/."
            ) from error
        configured = list(options[_GROUP].driver)
        own_url = options[_GROUP].transport_url
        url = own_url or self._transport.conf.transport_url
        needs_broker = not {"log", "noop", "test"}.issuperset(
            configured or [_DRIVER]
        )
        if needs_broker and url in (None, "", "rabbit://"):
            raise ConfigurationError(
                "[DEFAULT]notification_level: needs a broker; give its "
                f"address in [{_GROUP}]transport_url, like "
                "rabbit://user:password@host:5672/."
            )
        self._notifier = oslo_messaging.Notifier(
            self._transport,
            publisher_id=f"baremetal-backend.{host}",
            driver=None if configured else _DRIVER,
            topics=list(topics),
            retry=_FOR_EVER,
        )

    def send(self, one: Announcement) -> None:
        """Hand an announcement to the broker; returns when it has it."""
        level = one.severity.lower()
        method: Any = getattr(
            self._notifier, "warn" if level == "warning" else level
        )
        method({}, one.event_type, dict(one.payload))

    def close(self) -> None:
        """Drop the connections."""
        self._transport.cleanup()


__all__ = ["OsloNotifier"]
