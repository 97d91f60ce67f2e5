# SPDX-License-Identifier: Apache-2.0
"""An inspection service over HTTP that does what a test wants of it.

Old and impossible versions of the protocol, rubbish, pages in HTML, answers
that are late, endless or broken off, starts that are answered with an error
and begin all the same, credentials of all kinds. What nobody scripted is
answered as ironic-inspector 12.5 does. Threads: one per connection, in the
process of the test.
"""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import ssl
import threading
import time
import urllib.parse
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from lab.ports import LOOPBACK

_VERSION = "X-OpenStack-Ironic-Inspector-API-{}-Version"


@dataclass(frozen=True)
class Answer:
    """What is said to one request."""

    status: int = 200
    #: Bytes are sent as they are, anything else as JSON.
    body: object = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    #: Seconds before the first byte.
    after: float = 0.0
    #: Seconds between single bytes of the body.
    drip: float = 0.0
    #: The connection is closed instead.
    hang_up: bool = False
    #: The body has more bytes than are sent.
    cut_off: bool = False
    #: The request is carried out, whatever is said.
    carried_out: bool = False

    def encoded(self) -> bytes:
        """The body's bytes."""
        if isinstance(self.body, bytes):
            return self.body
        return json.dumps(self.body).encode()


def html(status: int) -> Answer:
    """What a proxy says, or a web server of another kind."""
    page = f"<html><body><h1>{status} Sorry</h1></body></html>"
    return Answer(status, page.encode(), {"Content-Type": "text/html"})


def refusal(status: int, words: str) -> Answer:
    """An error as the service itself writes it."""
    return Answer(status, {"error": {"message": words}})


@dataclass(frozen=True)
class Request:
    """What somebody asked."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


class WebScript:
    """A web server whose answers a class below decides; a context manager."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self._answers: dict[str, deque[Answer]] = defaultdict(deque)
        self._server = _Server((LOOPBACK, 0), _Handler)
        self._server.script = self
        if tls is not None:
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True
            )
        self.port: int = self._server.server_port
        scheme = "http" if tls is None else "https"
        self.root = f"{scheme}://{LOOPBACK}:{self.port}"
        self._ending = threading.Event()
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            args=(0.05,),
            name=f"baremetal-scripted-{self.port}",
            daemon=True,
        )
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Nobody listens any more."""
        if self._ending.is_set():
            return
        self._ending.set()
        self._server.shutdown()
        self._server.server_close()
        self._server.hang_up()
        self._thread.join(5)

    def say(self, call: str, *answers: Answer) -> None:
        """The next answers to this call, such as ``GET /v1/introspection``;
        of ``*`` to whatever comes."""
        self._answers[call].extend(answers)

    def asked(self, method: str = "", path: str = "") -> list[Request]:
        """What was asked so; the path by its begin."""
        return [
            one
            for one in self.requests
            if one.method.startswith(method) and one.path.startswith(path)
        ]

    def wait(self, seconds: float) -> None:
        """Until then, or until the server stops."""
        self._ending.wait(seconds)

    def handle(self, request: Request, body: bytes) -> Answer:
        """What is said to this."""
        self.requests.append(request)
        for call in (f"{request.method} {request.path}", "*"):
            if self._answers[call]:
                answer = self._answers[call].popleft()
                if answer.carried_out:
                    self.usual(request, body)
                return answer
        return self.usual(request, body)

    def usual(self, request: Request, body: bytes) -> Answer:
        """What is said if nobody scripted anything."""
        raise NotImplementedError

    def headers(self) -> Mapping[str, str]:
        """What each answer has."""
        return {}


class ScriptedInspection(WebScript):
    """Change its attributes to spoil it.

    ``versions``: the oldest and the newest; None: it does not say, as
    ironic-discoverd and the first ironic-inspector don't.
    """

    def __init__(
        self,
        versions: tuple[str, str] | None = ("1.0", "1.18"),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.versions = versions
        #: By node, what was started first coming first.
        self.records: dict[str, dict[str, Any]] = {}
        self.data: dict[str, object] = {}
        #: (name, password), or a token, that callers have to show.
        self.account: tuple[str, str] | None = None
        self.token: str | None = None
        #: ``api_max_limit``.
        self.most = 1000
        self._started = 0
        super().__init__(tls)

    @property
    def url(self) -> str:
        """For ``[discoverd]service_url``."""
        return f"{self.root}/v1"

    def headers(self) -> Mapping[str, str]:
        """Its versions."""
        if self.versions is None:
            return {}
        return {
            _VERSION.format("Minimum"): self.versions[0],
            _VERSION.format("Maximum"): self.versions[1],
        }

    def add(self, uuid: str, **changes: object) -> None:
        """A record; it was started after all others."""
        self._started += 1
        self.records.pop(uuid, None)
        self.records[uuid] = {
            "uuid": uuid,
            "state": "waiting",
            "finished": False,
            "error": None,
            "started_at": f"2026-01-01T00:00:00.{self._started:06}",
            "finished_at": None,
            "links": [{"rel": "self", "href": f"{self.url}/{uuid}"}],
            **changes,
        }

    def finish(self, uuid: str, error: str | None = None) -> None:
        """A record's end."""
        self.records[uuid] |= {
            "state": "error" if error else "finished",
            "finished": True,
            "error": error,
            "finished_at": "2026-01-01T01:00:00",
        }

    def usual(self, request: Request, body: bytes) -> Answer:
        """As ironic-inspector 12.5."""
        parts = request.path.strip("/").split("/")
        if parts in ([""], ["v1"]):
            # discoverd has nothing there.
            return Answer(200, {}) if self.versions else html(404)
        if not self._let_in(request):
            return refusal(401, "Authentication required")
        return self._routed(request, parts)

    def _routed(self, request: Request, parts: list[str]) -> Answer:
        match (request.method, *parts):
            case ("POST", "v1", "introspection", uuid):
                return self._start(uuid)
            case ("POST", "v1", "introspection", uuid, "abort"):
                return self._abort(uuid)
            case ("GET", "v1", "introspection"):
                return self._list(request.query)
            case ("GET", "v1", "introspection", uuid):
                return _found(self.records, uuid)
            case ("GET", "v1", "introspection", uuid, "data"):
                return _found(self.data, uuid)
        return html(404)

    def _let_in(self, request: Request) -> bool:
        if self.account is not None:
            given = base64.b64encode(":".join(self.account).encode()).decode()
            return request.headers.get("Authorization") == f"Basic {given}"
        if self.token is not None:
            return request.headers.get("X-Auth-Token") == self.token
        return True

    def _start(self, uuid: str) -> Answer:
        state = self.records.get(uuid, {}).get("state")
        if state in ("starting", "processing"):
            return refusal(
                400,
                f"Can not transition from state '{state}' on event 'start'",
            )
        self.add(uuid, state="starting")
        return Answer(202, {})

    def _abort(self, uuid: str) -> Answer:
        record = self.records.get(uuid)
        if record is None:
            return _NOT_FOUND
        if record["state"] in ("starting", "processing"):
            return refusal(409, "Node is locked, please, retry later")
        if not record["finished"]:
            self.finish(uuid, "Canceled by operator")
        return Answer(202, {})

    def _list(self, query: Mapping[str, str]) -> Answer:
        limit = int(query.get("limit", 0)) or self.most
        if limit > self.most:
            return refusal(400, "Limit is too high")
        newest_first = list(reversed(self.records.values()))
        marker = query.get("marker")
        begin = 0
        if marker is not None:
            if marker not in self.records:
                return refusal(404, f"Node not found for marker: {marker}")
            order = [one["uuid"] for one in newest_first]
            begin = order.index(marker) + 1
        return Answer(
            200, {"introspection": newest_first[begin : begin + limit]}
        )


class ScriptedIdentity(WebScript):
    """As much of keystone as ``auth_type = password`` needs."""

    def __init__(self, name: str, password: str, tokens: Iterable[str]):
        self.account = name, password
        self._tokens: Iterator[str] = iter(tokens)
        super().__init__()

    @property
    def url(self) -> str:
        """For ``[discoverd]auth_url``."""
        return f"{self.root}/v3"

    def usual(self, request: Request, body: bytes) -> Answer:
        """A token for those who are known."""
        if request.method == "GET":
            link = {"rel": "self", "href": self.url}
            version = {"id": "v3.14", "status": "stable", "links": [link]}
            return Answer(200, {"version": version})
        user = json.loads(body)["auth"]["identity"]["password"]["user"]
        if (user["name"], user["password"]) != self.account:
            return refusal(401, "The request requires authentication.")
        token = {
            "methods": ["password"],
            "expires_at": "2126-01-01T00:00:00.000000Z",
            "issued_at": "2026-01-01T00:00:00.000000Z",
            "user": {"id": "u", "name": user["name"]},
            "catalog": [],
        }
        given = {"X-Subject-Token": next(self._tokens)}
        return Answer(201, {"token": token}, given)


_NOT_FOUND = refusal(404, "Node was not found")


def _found(things: Mapping[str, object], uuid: str) -> Answer:
    return Answer(200, things[uuid]) if uuid in things else _NOT_FOUND


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Threads that hang in a slow answer are left to themselves.
    block_on_close = False
    # Fifty clients at once are nothing unusual.
    request_queue_size = 100
    script: WebScript

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.connections: set[socket.socket] = set()

    def hang_up(self) -> None:
        """End the connections that clients keep."""
        for one in list(self.connections):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def handle_error(self, *_: object) -> None:
        """Whoever asked went away, or did not trust the certificate."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        """A connection was made."""
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self) -> None:
        """It is over."""
        self.server.connections.discard(self.connection)
        super().finish()

    def do_GET(self) -> None:
        """Ask the script."""
        self._answer()

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self) -> None:
        script = self.server.script
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(parts.query))
        headers = dict(self.headers.items())
        answer = script.handle(
            Request(self.command, parts.path, query, headers), body
        )
        script.wait(answer.after)
        if answer.hang_up:
            self.close_connection = True
            return
        self._send(script, answer)

    def _send(self, script: WebScript, answer: Answer) -> None:
        body = answer.encoded()
        self.send_response(answer.status)
        headers = {
            "Content-Type": "application/json",
            "Content-Length": str(len(body) + 100 * answer.cut_off),
            **script.headers(),
            **answer.headers,
        }
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if answer.drip:
            self._send_slowly(body, answer.drip)
        else:
            self.wfile.write(body)
        if answer.cut_off:
            self.close_connection = True

    def _send_slowly(self, body: bytes, seconds: float) -> None:
        for one in body:
            self.wfile.write(bytes([one]))
            time.sleep(seconds)


__all__ = [
    "Answer",
    "Request",
    "ScriptedIdentity",
    "ScriptedInspection",
    "WebScript",
    "html",
    "refusal",
]
