# SPDX-License-Identifier: Apache-2.0
"""An HTTP proxy between driver and bare metal service that breaks on demand.

Without a fault it hands everything through unchanged. A fault is a function
from a request to an answer; ``None`` lets the request pass.
"""

from __future__ import annotations

import dataclasses
import http.client
import http.server
import json
import threading
import time
import urllib.parse
from collections.abc import Callable
from typing import Any

LOOPBACK = "127.0.0.1"
TIMEOUT = 30.0
#: Named by connection, not by message: never handed through.
_HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive"}


@dataclasses.dataclass(frozen=True)
class Request:
    """What the driver asked."""

    method: str
    path: str
    query: dict[str, str]
    body: bytes


@dataclasses.dataclass(frozen=True)
class Answer:
    """What the driver gets; a status of 0 closes the connection instead."""

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

    :param port: of the bare metal service.
    """

    def __init__(self, port: int) -> None:
        self._upstream = port
        self.fault: Fault | None = None
        self.rewrite: Rewrite | None = None
        self.requests: list[Request] = []
        self._server = self._listen(0)
        self.port: int = self._server.server_address[1]
        self.url = f"http://{LOOPBACK}:{self.port}"

    def _listen(self, port: int) -> http.server.ThreadingHTTPServer:
        proxy = self

        class Handler(_Handler):
            def handle_one(self, body: bytes) -> Answer:
                return proxy.answer(self, body)

        server = http.server.ThreadingHTTPServer((LOOPBACK, port), Handler)
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
        self._server.shutdown()
        self._server.server_close()

    def come_up(self) -> None:
        """Listen again, on the same port."""
        self._server = self._listen(self.port)

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
            found = self._forward(handler, body)
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
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent."""


def is_listing(request: Request) -> bool:
    """Is it a request for the list of nodes?"""
    return request.method == "GET" and request.path.rstrip("/").endswith(
        "/nodes"
    )


def listings(answer: Answer) -> Fault:
    """Every list of nodes gets this answer."""
    return lambda request: answer if is_listing(request) else None


def slow_listings(seconds: float) -> Fault:
    """Every list of nodes comes that late."""

    def delay(request: Request) -> None:
        if is_listing(request):
            time.sleep(seconds)

    return delay


def later_pages(answer: Answer) -> Fault:
    """The first page arrives, every later one gets this answer."""
    return lambda request: (
        answer if is_listing(request) and "marker" in request.query else None
    )


def small_pages(size: int) -> Rewrite:
    """Cut lists of nodes into pages with ``next`` links.

    For pages as the service itself makes them, only smaller than its limit.
    """

    def cut(request: Request, answer: Answer) -> Answer:
        if not is_listing(request) or answer.status != 200:
            return answer
        body = json.loads(answer.body)
        nodes = body["nodes"]
        if "marker" in request.query or len(nodes) <= size:
            return answer
        rest = urllib.parse.urlencode(
            {**request.query, "marker": nodes[size - 1]["uuid"]}
        )
        body = {"nodes": nodes[:size], "next": f"http://elsewhere/?{rest}"}
        return dataclasses.replace(answer, body=json.dumps(body).encode())

    return cut


def older_api(maximum: str) -> Rewrite:
    """Version documents say that the service is that old."""

    def rewrite(request: Request, answer: Answer) -> Answer:
        if request.path.rstrip("/") not in ("", "/v1"):
            return answer

        def older(found: Any) -> Any:
            if isinstance(found, list):
                return [older(item) for item in found]
            if not isinstance(found, dict):
                return found
            changed = {key: older(value) for key, value in found.items()}
            if "min_version" in changed:
                changed["version"] = maximum
            return changed

        body = json.dumps(older(json.loads(answer.body))).encode()
        return dataclasses.replace(answer, body=body)

    return rewrite
