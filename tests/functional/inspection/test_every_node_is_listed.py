# SPDX-License-Identifier: Apache-2.0
"""A node that is missing from our list is dropped by ironic-inspector.

It asks for all pages each minute and forgets what is not there, also in the
middle of an inspection. So a node that exists all the time has to be on one
of the pages, whatever comes and goes meanwhile, and a page has to lead to
the next one by a link that works where the service is reached.
"""

from __future__ import annotations

import itertools
import random
import threading
import urllib.parse
from collections.abc import Iterator

import openstack
import pytest

from lab.faulty_proxy import FaultyProxy
from tests.backend.running import Http, RunningBackend

#: Nodes on a page, so that there are many.
PAGE = 7
STAYING = 40
ROUNDS = 30

LIST = "/v1/nodes?fields=uuid"
PUBLIC = "https://cloud.example.org:6385/baremetal"


@pytest.fixture(scope="module")
def backend(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RunningBackend]:
    running = RunningBackend(
        tmp_path_factory.mktemp("listed"),
        api={"max_limit": str(PAGE)},
        oslo_middleware={"enable_proxy_headers_parsing": "true"},
    )
    yield running
    running.stop()


@pytest.fixture(scope="module")
def staying(backend: RunningBackend) -> set[str]:
    """Nodes that nobody removes."""
    return {backend.node()["uuid"] for _ in range(STAYING)}


class MarkerGone(Exception):
    """The node at the end of a page was removed before the next page.

    An error makes nobody forget anything, unlike a list that lacks a node.
    """


def pages(
    http: Http, path: str, prefix: str = "", **headers: str
) -> Iterator[dict]:
    """Every page, by the links that lead from one to the next.

    ``prefix``: of paths, which a proxy takes away.
    """
    for _ in range(1000):
        reply = http("GET", path, **headers)
        if reply.status == 400 and "Marker" in reply.fault:
            raise MarkerGone
        assert reply.status == 200, reply.data
        yield reply.json
        if "next" not in reply.json:
            return
        link = urllib.parse.urlsplit(reply.json["next"])
        path = f"{link.path.removeprefix(prefix)}?{link.query}"
    raise AssertionError("the list has no end")


def all_uuids(http: Http, path: str = LIST, **headers: str) -> list[str]:
    return [
        node["uuid"]
        for page in pages(http, path, **headers)
        for node in page["nodes"]
    ]


class Turmoil:
    """Threads that enrol and remove nodes as fast as they can.

    Nodes that stay are enrolled meanwhile: they are anywhere in the list.
    """

    def __init__(self, backend: RunningBackend, threads: int = 3) -> None:
        self._backend = backend
        self._http = backend.http
        self._over = threading.Event()
        self.staying: set[str] = set()
        self.made = itertools.count()
        self.faults: list[object] = []
        self._threads = [
            threading.Thread(target=self._run, args=(seed,))
            for seed in range(threads)
        ]

    def stay(self) -> None:
        """One node more that nobody removes."""
        self.staying.add(self._backend.node()["uuid"])

    def __enter__(self) -> Turmoil:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(60)

    def _run(self, seed: int) -> None:
        chance = random.Random(seed)
        mine: list[str] = []
        while mine or not self._over.is_set():
            if len(mine) < 10 and not self._over.is_set():
                body = {"driver": "fake-hardware"}
                reply = self._http("POST", "/v1/nodes", body)
                mine.append(reply.json["uuid"])
                next(self.made)
            else:
                # Old and young ones: holes at each place of the list.
                uuid = mine.pop(chance.randrange(len(mine)))
                reply = self._http("DELETE", f"/v1/nodes/{uuid}")
            if reply.status not in (201, 204):
                self.faults.append(reply.data)


def test_a_node_that_stays_is_on_a_page_whatever_comes_and_goes(
    backend, staying
):
    whole = again = 0
    with Turmoil(backend) as turmoil:
        while whole < ROUNDS:
            turmoil.stay()
            try:
                seen = all_uuids(backend.http)
            except MarkerGone:
                again += 1
                assert again < 50 * ROUNDS
                continue
            whole += 1
            assert staying | turmoil.staying <= set(seen)
            assert len(seen) == len(set(seen))
    assert turmoil.faults == []
    assert next(turmoil.made) > ROUNDS


def test_the_sdk_never_misses_a_node_that_stays(backend, staying):
    baremetal = openstack.connect(
        load_envvars=False,
        load_yaml_config=False,
        auth_type="none",
        baremetal_endpoint_override=backend.url,
    ).baremetal
    whole = refused = 0
    with Turmoil(backend, threads=1):
        while whole < 5:
            try:
                # As ironic-inspector asks, each minute.
                seen = {node.id for node in baremetal.nodes(fields=["uuid"])}
            except openstack.exceptions.BadRequestException as error:
                assert "Marker" in str(error)
                refused += 1
                assert refused < 100
                continue
            whole += 1
            assert staying <= seen


@pytest.mark.parametrize(
    "query", ["", "&limit=3", "&limit=1000", "&sort_key=name", "&detail=false"]
)
def test_links_lead_through_all_pages(backend, staying, query):
    seen = all_uuids(backend.http, LIST + query)
    assert staying <= set(seen)
    assert len(seen) == len(set(seen))


def test_a_link_keeps_what_was_asked(backend, staying):
    first = backend.http("GET", f"{LIST},driver_info").json
    link = urllib.parse.urlsplit(first["next"])
    query = dict(urllib.parse.parse_qsl(link.query))
    assert query == {
        "fields": "uuid,driver_info",
        "limit": str(PAGE),
        "marker": first["nodes"][-1]["uuid"],
    }


def test_links_lead_back_through_a_proxy_that_keeps_the_host(backend, staying):
    proxy = FaultyProxy(backend.port)
    try:
        (first, *rest) = pages(Http(proxy.port), LIST)
        assert first["next"].startswith(f"{proxy.url}/v1/nodes?")
        assert len(proxy.requests) == 1 + len(rest)
    finally:
        proxy.close()


@pytest.mark.parametrize(
    ("headers", "begin"),
    [
        (
            {"X_Forwarded_Host": "cloud.example.org:6385"},
            "http://cloud.example.org:6385/v1/nodes?",
        ),
        (
            {
                "X_Forwarded_Proto": "https",
                "X_Forwarded_Host": "cloud.example.org",
                "X_Forwarded_Prefix": "/baremetal",
            },
            "https://cloud.example.org/baremetal/v1/nodes?",
        ),
        (
            {"Forwarded": "proto=https;host=cloud.example.org"},
            "https://cloud.example.org/v1/nodes?",
        ),
    ],
    ids=["host", "scheme and prefix", "RFC 7239"],
)
def test_links_begin_as_the_proxy_says(backend, staying, headers, begin):
    prefix = headers.get("X_Forwarded_Prefix", "")
    found = list(pages(backend.http, LIST, prefix, **headers))
    assert len(found) > STAYING // PAGE
    assert all(page["next"].startswith(begin) for page in found[:-1])


def test_links_begin_with_the_public_endpoint(tmp_path):
    backend = RunningBackend(
        tmp_path, api={"max_limit": "2", "public_endpoint": PUBLIC}
    )
    try:
        mine = {backend.node()["uuid"] for _ in range(5)}
        # Whatever headers say.
        link = backend.http("GET", LIST, Host="10.0.0.1").json["next"]
        assert link.startswith(f"{PUBLIC}/v1/nodes?")
        seen = set()
        while link:
            # What the proxy at the public endpoint makes of it.
            page = backend.http("GET", link.removeprefix(PUBLIC)).json
            seen |= {node["uuid"] for node in page["nodes"]}
            link = page.get("next")
        assert len(mine - seen) == 2
    finally:
        backend.stop()
