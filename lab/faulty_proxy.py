# SPDX-License-Identifier: Apache-2.0
"""An HTTP proxy between two services that breaks on demand.

Without a fault it hands everything through unchanged. A fault is a function
from a request to an answer; ``None`` lets the request pass.
"""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import http.server
import json
import threading
import urllib.parse
from collections.abc import Callable
from typing import Any

from lab.ports import LOOPBACK, free_port

TIMEOUT = 30.0
#: Named by connection, not by message: never handed through.
_HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive"}


@dataclasses.dataclass(frozen=True)
class Request:
    """What the client asked."""

    method: str
    path: str
    query: dict[str, str]
    body: bytes


@dataclasses.dataclass(frozen=True)
class Answer:
    """What the client gets; a status of 0 closes the connection instead."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = (
        ("Content-Type", "application/json"),
    )


Fault = Callable[[Request], Answer | None]
Rewrite = Callable[[Request, Answer], Answer]

HANG_UP = Answer(0)


class FaultyProxy:
    """Listens from its construction on; ``close`` ends it.

    ``fault`` decides before the service hears of a request, ``rewrite``
    afterwards, on what it answered.

    :param port: of the service.
    """

    def __init__(self, port: int) -> None:
        self._upstream = port
        self.fault: Fault | None = None
        self.rewrite: Rewrite | None = None
        self.requests: list[Request] = []
        self.port = free_port()
        self.url = f"http://{LOOPBACK}:{self.port}"
        self._server: http.server.ThreadingHTTPServer | None = None
        self.come_up()

    def _listen(self) -> http.server.ThreadingHTTPServer:
        proxy = self

        class Handler(_Handler):
            def handle_one(self, body: bytes) -> Answer:
                return proxy.answer(self, body)

        server = http.server.ThreadingHTTPServer(
            (LOOPBACK, self.port), Handler
        )
        server.daemon_threads = True
        threading.Thread(
            target=server.serve_forever,
            args=(0.02,),
            name="faulty-proxy",
            daemon=True,
        ).start()
        return server

    def go_down(self) -> None:
        """Refuse connections, as a host without the service does."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def come_up(self) -> None:
        """Listen again, on the same port."""
        if self._server is None:
            self._server = self._listen()

    def close(self) -> None:
        """Stop listening for good."""
        self.go_down()

    def answer(self, handler: _Handler, body: bytes) -> Answer:
        """Decide on one request."""
        url = urllib.parse.urlsplit(handler.path)
        request = Request(
            handler.command,
            url.path,
            dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True)),
            body,
        )
        self.requests.append(request)
        found = self.fault(request) if self.fault else None
        if found is None:
            try:
                found = self._forward(handler, body)
            except OSError:
                # There is nobody to forward it to.
                return HANG_UP
            if self.rewrite:
                found = self.rewrite(request, found)
        return found

    def bodies(self, method: str, path_end: str) -> list[Any]:
        """What was sent to paths with this end, as JSON values."""
        return [
            json.loads(request.body)
            for request in self.requests
            if request.method == method and request.path.endswith(path_end)
        ]

    def _forward(self, handler: _Handler, body: bytes) -> Answer:
        upstream = http.client.HTTPConnection(
            LOOPBACK, self._upstream, timeout=TIMEOUT
        )
        try:
            upstream.request(
                handler.command,
                handler.path,
                body or None,
                # With the client's Host header, links lead here.
                {
                    k: v
                    for k, v in handler.headers.items()
                    if k.lower() not in _HOP_BY_HOP
                },
            )
            response = upstream.getresponse()
            return Answer(
                response.status,
                response.read(),
                tuple(
                    (k, v)
                    for k, v in response.getheaders()
                    if k.lower() not in _HOP_BY_HOP | {"content-length"}
                ),
            )
        finally:
            upstream.close()


class _Handler(http.server.BaseHTTPRequestHandler):
    # HTTP/1.0: each request has a connection of its own, so that going down
    # is felt at once.
    protocol_version = "HTTP/1.0"
    timeout = TIMEOUT

    def handle_one(self, body: bytes) -> Answer:
        raise NotImplementedError

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        answer = self.handle_one(self.rfile.read(length))
        self.close_connection = True
        if answer is HANG_UP:
            return
        # Who did not wait for it so long is gone.
        with contextlib.suppress(ConnectionError):
            self._send(answer)

    def _send(self, answer: Answer) -> None:
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent."""
