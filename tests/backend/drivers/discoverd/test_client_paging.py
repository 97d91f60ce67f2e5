# SPDX-License-Identifier: Apache-2.0
"""A list is read in few requests, and to its end, while it changes."""

from __future__ import annotations

import pytest

from baremetal_backend.drivers.discoverd import paging
from baremetal_backend.drivers.discoverd.errors import NoAnswer, Refusal
from lab.inspection.scripted import ScriptedInspection, refusal
from tests.backend.drivers.discoverd.over_http import client_of

LIST = "GET /v1/introspection"


def names(number: int) -> list[str]:
    return [f"node-{one:05}" for one in range(number)]


@pytest.fixture
def service():
    with ScriptedInspection() as scripted:
        yield scripted


@pytest.fixture
def client(service):
    with client_of(service) as made:
        made.check()
        service.requests.clear()
        yield made


def fill(service: ScriptedInspection, number: int) -> list[str]:
    """Records; the last of these names was started last."""
    uuids = names(number)
    for uuid in uuids:
        service.add(uuid)
    return uuids


class TestOverHttp:
    def test_2500_records_are_three_pages(self, service, client):
        uuids = fill(service, 2500)
        assert client.statuses(uuids).keys() == set(uuids)
        assert [one.query for one in service.requests] == [
            {"limit": "1000"},
            {"limit": "1000", "marker": "node-01500"},
            {"limit": "1000", "marker": "node-00500"},
        ]

    def test_1000_waiting_nodes_are_one_page(self, service, client):
        uuids = fill(service, 5000)
        assert len(client.statuses(uuids[-1000:])) == 1000
        assert len(service.requests) == 1

    def test_what_was_started_last_is_found_on_the_first_page(
        self, service, client
    ):
        uuids = fill(service, 2500)
        assert list(client.statuses(uuids[-1:])) == uuids[-1:]
        assert len(service.requests) == 1

    def test_what_is_missing_costs_all_pages_and_no_more(
        self, service, client
    ):
        fill(service, 2000)
        assert client.statuses(["gone"]) == {}
        assert len(service.requests) == 3

    def test_an_empty_list_is_one_request(self, service, client):
        assert client.statuses(["gone"]) == {}
        assert len(service.requests) == 1

    def test_a_service_that_gives_fewer_at_a_time_is_read_to_the_end(
        self, service, client
    ):
        uuids = fill(service, 25)
        service.most = 10
        assert client.statuses([*uuids, "gone"]).keys() == set(uuids)
        assert len(service.requests) == 4

    def test_a_marker_that_vanished_begins_again(self, service, client):
        uuids = fill(service, 1500)
        service.say(
            LIST, service._list({"limit": "1000"}), refusal(404, "no marker")
        )
        assert client.statuses(uuids).keys() == set(uuids)
        assert len(service.requests) == 4

    def test_markers_that_always_vanish_are_no_answer(self, service, client):
        uuids = fill(service, 1500)
        page = service._list({"limit": "1000"})
        service.say(LIST, *[page, refusal(404, "no marker")] * 10)
        with pytest.raises(NoAnswer, match="changes faster") as none:
            client.statuses(uuids)
        assert none.value.trouble == "rubbish"
        assert len(service.requests) == 8

    def test_a_list_that_never_ends_is_no_answer(self, service, client):
        uuids = fill(service, 1000)
        page = service._list({"limit": "1000"})
        service.say(LIST, *[page] * 10)
        with pytest.raises(NoAnswer, match="does not go on"):
            client.statuses([*uuids, "gone"])
        assert len(service.requests) == 2

    def test_a_list_that_takes_too_long_is_no_answer(
        self, service, client, monkeypatch
    ):
        uuids = fill(service, 2500)
        now = iter(range(0, 10_000, 150))
        monkeypatch.setattr(
            "baremetal_backend.drivers.discoverd.client.time.monotonic",
            lambda: float(next(now)),
        )
        with pytest.raises(NoAnswer, match="no list within 200 s") as none:
            client.statuses(uuids)
        assert none.value.trouble == "timeout"


class MovingList:
    """A list in memory, changed by ``between`` before each further page."""

    def __init__(self, uuids, between=lambda _list: None):
        self.uuids = list(uuids)
        self.between = between
        self.requests = 0

    def fetch(self, marker, limit):
        self.requests += 1
        assert self.requests < 100
        begin = 0
        if marker is not None:
            self.between(self)
            if marker not in self.uuids:
                raise Refusal("no marker", 404)
            begin = self.uuids.index(marker) + 1
        return [
            {"uuid": uuid, "finished": False, "error": None}
            for uuid in self.uuids[begin : begin + limit]
        ]


class TestListsThatChange:
    def test_a_record_that_moves_back_is_read_twice_and_told_once(self):
        uuids = names(1500)
        moving = MovingList(uuids, lambda it: it.uuids.insert(0, "new"))
        found = paging.collect(moving.fetch, frozenset([*uuids, "gone"]))
        assert found.keys() == set(uuids)

    def test_a_marker_that_moved_to_the_front_ends_all_the_same(self):
        uuids = names(2500)

        def start_again(it):
            if it.requests == 2:
                it.uuids.remove("node-00999")
                it.uuids.insert(0, "node-00999")

        moving = MovingList(uuids, start_again)
        found = paging.collect(moving.fetch, frozenset([*uuids, "gone"]))
        assert found.keys() == set(uuids)
        assert moving.requests == 4

    def test_another_refusal_than_that_of_a_marker_ends_it(self):
        def fetch(marker, limit):
            raise Refusal("conflict", 409)

        with pytest.raises(Refusal):
            paging.collect(fetch, frozenset(["a"]))

    def test_a_limit_that_is_refused_twice_ends_it(self):
        def fetch(marker, limit):
            raise Refusal("bad", 400)

        with pytest.raises(Refusal):
            paging.collect(fetch, frozenset(["a"]))
