# SPDX-License-Identifier: Apache-2.0
"""Shows a process's figures to Prometheus.

Nothing of it is loaded unless ``[metrics]host_ip`` is set. It has a port of
its own: the figures of a conductor that serves no API are worth as much, and
they are nobody's business who only may use the API.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from baremetal_backend.conf.settings import (
    ConfigurationError,
    MetricsSettings,
)
from baremetal_backend.core.figures import Source

if TYPE_CHECKING:
    from prometheus_client.core import Metric

LOG = logging.getLogger(__name__)

_PREFIX = "baremetal_backend_"

# Seconds that the thread has to end.
_PATIENCE = 5.0


class Metrics:
    """A small server, and the sources that it asks. Owned by the runtime."""

    def __init__(self, settings: MetricsSettings) -> None:
        self._settings = settings
        self._sources: list[Source] = []
        self._server: Any = None
        self._thread: Any = None

    def add(self, source: Source) -> None:
        """Show what this source says from now on."""
        self._sources.append(source)

    @property
    def port(self) -> int | None:
        """Where it listens; None: it does not."""
        return None if self._server is None else self._server.server_port

    def start(self) -> None:
        """Listen, if it is asked for. Errors: ConfigurationError."""
        if self._settings.host_ip is None:
            return
        try:
            import prometheus_client
        except ImportError as error:
            raise ConfigurationError(
                "[metrics]host_ip: figures need the package "
                "prometheus-client; install it, or leave the option out."
            ) from error
        registry = prometheus_client.CollectorRegistry()
        prometheus_client.ProcessCollector(registry=registry)
        registry.register(self)
        host, port = self._settings.host_ip, self._settings.port
        try:
            self._server, self._thread = prometheus_client.start_http_server(
                port, host, registry
            )
        except OSError as error:
            raise ConfigurationError(
                f"[metrics]host_ip, [metrics]port: can't listen on {host}:"
                f"{port}: {error.strerror or error}; choose another port or "
                "stop the process that has it."
            ) from error
        self._thread.name = "baremetal-metrics"
        LOG.info("Figures are at http://%s:%d/metrics.", host, self.port)

    def stop(self) -> None:
        """End the server."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join(_PATIENCE)
            self._server = None

    def collect(self) -> Iterator[Metric]:
        """What prometheus_client asks for at each request."""
        from prometheus_client.core import (
            CounterMetricFamily,
            GaugeMetricFamily,
        )

        for source in self._sources:
            for figure in source():
                family = (
                    GaugeMetricFamily
                    if figure.kind == "gauge"
                    else CounterMetricFamily
                )(_PREFIX + figure.name, figure.help, labels=figure.labels)
                for labels, value in figure.values:
                    family.add_metric(labels, value)
                yield family


__all__ = ["Metrics"]
