# SPDX-License-Identifier: Apache-2.0
"""WSGI servers and frameworks side by side: what decision record 0001 cites.

Each server runs one process with eight threads; the load comes from a
second process over loopback. "slow" is the time that a small GET needs
while 40 other clients have sent only half of their request.

    python benchmarks/wsgi_choice.py
"""

import http.client
import io
import json
import multiprocessing
import socket
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

PAGE = json.dumps(
    {
        "nodes": [
            {
                "uuid": f"00000000-0000-4000-8000-{i:012d}",
                "power_state": "power off",
                "target_power_state": None,
                "provision_state": "available",
                "target_provision_state": None,
                "last_error": None,
                "maintenance": False,
                "properties": {"cpus": 4, "memory_mb": 4096},
                "instance_uuid": None,
                "traits": [],
                "resource_class": "baremetal",
            }
            for i in range(1000)
        ]
    }
).encode()
SMALL = b'{"name": "n1"}'
THREADS = 8
JSON = "application/json"

App = Callable[[dict[str, Any], Any], Iterable[bytes]]


def raw() -> App:
    def app(environ: dict[str, Any], start: Any) -> list[bytes]:
        body = PAGE if environ["PATH_INFO"] == "/v1/nodes" else SMALL
        start(
            "200 OK",
            [("Content-Type", JSON), ("Content-Length", str(len(body)))],
        )
        return [body]

    return app


def with_falcon() -> App:
    import falcon

    class Page:
        def on_get(self, req: Any, resp: Any) -> None:
            resp.data = PAGE

    class Small:
        def on_get(self, req: Any, resp: Any, ident: str) -> None:
            resp.data = SMALL

    app = falcon.App()
    app.add_route("/v1/nodes", Page())
    app.add_route("/v1/nodes/{ident}", Small())
    return app


def with_flask() -> App:
    import flask

    app = flask.Flask("bench")

    @app.get("/v1/nodes")
    def page() -> Any:
        return flask.Response(PAGE, mimetype=JSON)

    @app.get("/v1/nodes/<ident>")
    def small(ident: str) -> Any:
        return flask.Response(SMALL, mimetype=JSON)

    return app


def with_werkzeug() -> App:
    from werkzeug.routing import Map, Rule
    from werkzeug.wrappers import Request, Response

    urls = Map(
        [
            Rule("/v1/nodes", endpoint=PAGE),
            Rule("/v1/nodes/<ident>", endpoint=SMALL),
        ]
    )

    @Request.application
    def app(request: Any) -> Any:
        body, _args = urls.bind_to_environ(request.environ).match()
        return Response(body, mimetype=JSON)

    return app


def with_pecan() -> App:
    import pecan
    from pecan import rest

    class Nodes(rest.RestController):
        @pecan.expose(content_type=JSON)
        def get_all(self) -> None:
            pecan.response.body = PAGE

        @pecan.expose(content_type=JSON)
        def get_one(self, ident: str) -> None:
            pecan.response.body = SMALL

    class V1:
        nodes = Nodes()

    class Root:
        v1 = V1()

    return pecan.make_app(Root(), debug=False)


FRAMEWORKS = {
    "(none)": raw,
    "falcon": with_falcon,
    "flask": with_flask,
    "werkzeug": with_werkzeug,
    "pecan": with_pecan,
}


def on_cheroot(app: App, port: int) -> None:
    from cheroot import wsgi

    wsgi.Server(("127.0.0.1", port), app, numthreads=THREADS).start()


def on_waitress(app: App, port: int) -> None:
    import waitress

    waitress.serve(
        app, host="127.0.0.1", port=port, threads=THREADS, _quiet=True
    )


def on_gunicorn(app: App, port: int) -> None:
    from gunicorn.app.base import BaseApplication

    class Alone(BaseApplication):
        def load_config(self) -> None:
            for key, value in (
                ("bind", f"127.0.0.1:{port}"),
                ("threads", THREADS),
                ("worker_class", "gthread"),
                ("loglevel", "error"),
                ("keepalive", 30),
            ):
                self.cfg.set(key, value)

        def load(self) -> App:
            return app

    sys.argv = ["gunicorn"]
    Alone().run()


SERVERS = {
    "cheroot": on_cheroot,
    "waitress": on_waitress,
    "gunicorn": on_gunicorn,
}


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(port)


def rate(port: int, path: str, seconds: float, clients: int) -> float:
    """Requests per second over keep-alive connections."""
    end = time.monotonic() + seconds
    done: list[int] = []

    def load() -> None:
        conn = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        count = 0
        while time.monotonic() < end:
            conn.request("GET", path)
            answer = conn.getresponse()
            answer.read()
            if answer.status != 200:
                raise RuntimeError(answer.status)
            count += 1
        conn.close()
        done.append(count)

    workers = [threading.Thread(target=load) for _ in range(clients)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(done) / seconds


def beside_slow_clients(port: int, slow: int = 40) -> float:
    """Seconds of one small GET while others have sent half a request."""
    held = []
    for _ in range(slow):
        sock = socket.create_connection(("127.0.0.1", port), 5)
        sock.sendall(b"GET /v1/nodes/n1 HTTP/1.1\r\nHost: a\r\n")
        held.append(sock)
    time.sleep(0.3)
    began = time.monotonic()
    conn = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        conn.request("GET", "/v1/nodes/n1")
        conn.getresponse().read()
    except OSError:
        return float("inf")
    finally:
        for sock in held:
            sock.close()
    return time.monotonic() - began


def in_process(app: App) -> float:
    """Microseconds of one small GET inside the framework alone."""
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/v1/nodes/n1",
        "SCRIPT_NAME": "",
        "QUERY_STRING": "",
        "SERVER_NAME": "a",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
        "wsgi.version": (1, 0),
        "wsgi.errors": sys.stderr,
        "HTTP_HOST": "a",
    }
    runs = []
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(1000):
            result = app(
                dict(environ, **{"wsgi.input": io.BytesIO()}),
                lambda status, headers, exc=None: None,
            )
            b"".join(result)
        runs.append((time.perf_counter() - began) * 1000)
    return statistics.median(runs)


def run(server: str, framework: str, slow: bool) -> None:
    port = free_port()
    process = multiprocessing.Process(
        target=lambda: SERVERS[server](FRAMEWORKS[framework](), port)
    )
    process.start()
    try:
        wait_for(port)
        rate(port, "/v1/nodes/n1", 0.3, 1)
        one = rate(port, "/v1/nodes/n1", 1.5, 1)
        many = rate(port, "/v1/nodes/n1", 1.5, 8)
        page = rate(port, "/v1/nodes", 1.5, 1)
        held = beside_slow_clients(port) if slow else None
    finally:
        process.terminate()
        process.join(10)
    print(
        f"{server:9} {framework:9} {one:9.0f} {many:9.0f} {page:8.0f}",
        "" if held is None else f"{held:8.3f}",
        flush=True,
    )


def main() -> None:
    multiprocessing.set_start_method("fork")
    print("framework alone, microseconds of one small GET")
    for name, make in FRAMEWORKS.items():
        print(f"  {name:9} {in_process(make()):7.1f}", flush=True)
    print(f"page: {len(PAGE)} bytes; requests/s over loopback")
    print("server    framework  small, 1  small, 8  page, 1  slow, s")
    for server in SERVERS:
        run(server, "(none)", True)
    for framework in list(FRAMEWORKS)[1:]:
        for server in ("cheroot", "waitress"):
            run(server, framework, False)


if __name__ == "__main__":
    main()
