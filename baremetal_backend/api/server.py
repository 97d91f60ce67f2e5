# SPDX-License-Identifier: Apache-2.0
"""The HTTP server: waitress in a thread of ours, with a graceful stop.

One thread ("api") owns all sockets: it reads requests whole and sends
answers, so that slow clients hold no worker. ``threads`` workers run the
application. Limits: headers, bodies, connections, idle time. Requests that
the server refuses by itself (400, 413, 431) get the body that clients of the
Bare Metal API parse. Why waitress: decision record 0001.
"""

from __future__ import annotations

import logging
import resource
import threading
import time
from typing import Any

from waitress import channel, server, task, wasyncore
from waitress.adjustments import Adjustments

from baremetal_backend.api import faults
from baremetal_backend.api.app import WsgiApp
from baremetal_backend.conf.settings import ApiSettings

LOG = logging.getLogger(__name__)

MAX_HEADER = 64 * 1024
#: Connections at once; more wait in the listen queue.
MAX_CONNECTIONS = 2000
#: File descriptors that are left to the database, drivers and logs.
_OTHER_FILES = 256
#: Seconds after which a silent connection is closed.
IDLE = 60
_LOOP_TIMEOUT = 0.5


class _ErrorTask(task.ErrorTask):
    """An answer to a request that did not reach the application."""

    def execute(self) -> None:
        error = self.request.error
        body = faults.body(f"{error.reason}: {error.body}")
        self.status = f"{error.code} {error.reason}"
        self.response_headers.append(("Content-Type", faults.JSON_TYPE))
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class _Channel(channel.HTTPChannel):
    error_task_class = _ErrorTask


class _Server(server.TcpWSGIServer):
    channel_class = _Channel


def _connection_limit() -> int:
    # A server that runs out of descriptors accepts in a busy loop.
    allowed, _most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return max(64, min(MAX_CONNECTIONS, allowed - _OTHER_FILES))


class ApiServer:
    """Serves an application until it is stopped. Owned by the runtime."""

    def __init__(self, app: WsgiApp, settings: ApiSettings) -> None:
        self._app = app
        self._settings = settings
        self._server: Any = None
        self._thread: threading.Thread | None = None
        self._stop_at: float | None = None

    @property
    def port(self) -> int:
        """The port that is listened on, once started."""
        return int(self._server.effective_port)

    def start(self) -> None:
        """Listen and serve. Errors: OSError when the address is taken."""
        adjustments = Adjustments(
            host=self._settings.host_ip,
            port=self._settings.port,
            threads=self._settings.threads,
            ident="baremetal-backend",
            server_name=self._settings.host_ip,
            connection_limit=_connection_limit(),
            channel_timeout=IDLE,
            cleanup_interval=10,
            max_request_header_size=MAX_HEADER,
            max_request_body_size=self._settings.max_request_body_size,
            asyncore_use_poll=True,
            clear_untrusted_proxy_headers=False,
            expose_tracebacks=False,
        )
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        family, kind, protocol, address = adjustments.listen[0]
        self._server = _Server(
            self._app,
            map={},
            adj=adjustments,
            sockinfo=(family, kind, protocol, address),
        )
        self._thread = threading.Thread(
            target=self._serve, name="api", daemon=True
        )
        self._thread.start()
        LOG.info(
            "The API listens on http://%s:%s",
            self._settings.host_ip,
            self.port,
        )

    def stop(self, timeout: float = 30.0) -> None:
        """Take no more connections, finish what runs, leave.

        After ``timeout`` seconds what still runs is abandoned.
        """
        if self._thread is None:
            return
        self._stop_at = time.monotonic() + timeout
        self._server.pull_trigger()
        self._thread.join(timeout + 2 * _LOOP_TIMEOUT + 5)
        self._thread = None

    def _serve(self) -> None:
        sockets = self._server._map
        while self._stop_at is None:
            wasyncore.loop(_LOOP_TIMEOUT, True, sockets, 1)
        wasyncore.dispatcher.close(self._server)
        while self._busy() and time.monotonic() < self._stop_at:
            wasyncore.loop(_LOOP_TIMEOUT / 10, True, sockets, 1)
        left = max(0.0, self._stop_at - time.monotonic())
        self._server.task_dispatcher.shutdown(timeout=min(left, 5.0))
        for open_socket in list(sockets.values()):
            open_socket.close()

    def _busy(self) -> bool:
        return any(
            found.requests or found.total_outbufs_len
            for found in self._server.active_channels.values()
        )
