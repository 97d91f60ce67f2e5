# SPDX-License-Identifier: Apache-2.0
"""The controller of a shelf of servers, as HTTP on the loopback interface."""

from __future__ import annotations

import itertools
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Shelf:
    """Slots with servers, and jobs that end when they were looked at."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self.slots: dict[str, dict[str, Any]] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        #: What a job of this kind fails with.
        self.failures: dict[str, str] = {}
        #: How often a job is looked at before it is over.
        self.looks = 2
        #: While set, jobs of this kind never end.
        self.endless: set[str] = set()

    def add(self, serial: str = "S1") -> str:
        """A slot with a server in it ('' for none); its number."""
        with self._lock:
            number = str(next(self._numbers))
            self.slots[number] = {
                "power": "off",
                "boot": "pxe",
                "serial": serial,
                "celsius": 30,
            }
            return number

    def answer(self, method: str, path: str, body: Any) -> Any:
        """Answer a request. Errors: KeyError."""
        parts = path.strip("/").split("/")
        with self._lock:
            slot = self.slots[parts[1]]
            if method == "PUT":
                slot.update(body)
            if len(parts) == 2:
                return slot
            if method == "POST":
                ident = str(next(self._numbers))
                self.jobs[ident] = {**body, "slot": parts[1], "looks": 0}
                return {"id": ident}
            return self._look(self.jobs[parts[3]])

    def _look(self, job: dict[str, Any]) -> Any:
        job["looks"] += 1
        if job["what"] in self.endless or job["looks"] < self.looks:
            return {"state": "running"}
        if failure := self.failures.get(job["what"]):
            return {"state": "failed", "error": failure}
        return {"state": "done"}

    def done(self, slot: str) -> list[str]:
        """The jobs that were begun for a slot."""
        return [
            job["what"] for job in self.jobs.values() if job["slot"] == slot
        ]


class ShelfController:
    """A shelf behind a port."""

    def __init__(self) -> None:
        self.shelf = shelf = Shelf()

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                size = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(size)) if size else None
                try:
                    data = shelf.answer(self.command, self.path, body)
                except KeyError:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.end_headers()
                self.wfile.write(json.dumps(data).encode())

            do_GET = do_PUT = do_POST = handle_any

            def log_message(self, *_args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="shelf", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)
