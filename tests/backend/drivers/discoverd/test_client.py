# SPDX-License-Identifier: Apache-2.0
"""What the client asks over HTTP, and what it makes of good answers."""

from __future__ import annotations

import pytest

from baremetal_backend.drivers.discoverd.errors import (
    NoAnswer,
    Refusal,
    TooOld,
)
from baremetal_backend.drivers.discoverd.ports import Status
from lab.inspection.scripted import Answer, ScriptedInspection, html, refusal
from tests.backend.drivers.discoverd.over_http import client_of

NODE = "11111111-2222-3333-4444-555555555555"
OTHER = "99999999-2222-3333-4444-555555555555"


@pytest.fixture
def service():
    with ScriptedInspection() as scripted:
        yield scripted


@pytest.fixture
def client(service):
    with client_of(service) as made:
        yield made


class TestStarting:
    def test_a_start_is_one_post_with_the_uuid(self, service, client):
        client.start(NODE)
        posts = service.asked("POST")
        assert [one.path for one in posts] == [f"/v1/introspection/{NODE}"]

    def test_a_start_of_what_is_under_way_is_refused_in_its_words(
        self, service, client
    ):
        service.add(NODE, state="processing")
        with pytest.raises(Refusal) as refused:
            client.start(NODE)
        assert refused.value.http_status == 400
        assert str(refused.value) == (
            "Can not transition from state 'processing' on event 'start'"
        )

    def test_a_service_of_another_kind_that_says_200_has_not_accepted(
        self, service, client
    ):
        service.say(f"POST /v1/introspection/{NODE}", Answer(200, {}))
        with pytest.raises(NoAnswer, match=r"does .*service_url name") as none:
            client.start(NODE)
        assert none.value.trouble == "rubbish"
        assert none.value.may_have_begun


class TestStatuses:
    def test_a_record_is_read_as_it_is(self, service, client):
        service.add(NODE)
        service.finish(NODE, "Introspection timeout")
        assert client.status(NODE) == Status(
            NODE,
            True,
            "Introspection timeout",
            "2026-01-01T00:00:00.000001",
            "2026-01-01T01:00:00",
        )

    def test_no_record_is_none_and_no_error(self, client):
        assert client.status(NODE) is None

    def test_only_the_wanted_nodes_are_told(self, service, client):
        service.add(NODE)
        service.add(OTHER)
        assert list(client.statuses([NODE, "gone"])) == [NODE]

    def test_nobody_wanted_is_no_request(self, service, client):
        assert client.statuses([]) == {}
        assert service.requests == []

    def test_an_error_of_control_characters_becomes_one_line(
        self, service, client
    ):
        service.add(NODE)
        service.finish(NODE, "first\nsecond\x00\ud800 third" + "x" * 5000)
        error = client.status(NODE).error
        assert error.startswith("first second third")
        assert len(error) == 1000

    def test_an_empty_error_is_none(self, service, client):
        service.add(NODE, finished=True, error="")
        assert client.status(NODE).error is None


class TestAbort:
    def test_an_abort_is_one_post(self, service, client):
        service.add(NODE)
        assert client.abort(NODE) is True
        assert service.records[NODE]["error"] == "Canceled by operator"

    def test_nothing_to_abort_is_false(self, client):
        assert client.abort(NODE) is False

    def test_a_busy_service_refuses_for_now(self, service, client):
        service.add(NODE, state="starting")
        with pytest.raises(Refusal, match="locked") as refused:
            client.abort(NODE)
        assert refused.value.http_status == 409


class TestData:
    def test_data_are_told_as_they_are(self, service, client):
        service.data[NODE] = {"inventory": {"cpu": {"count": 4}}, "x": None}
        assert client.data(NODE) == service.data[NODE]

    def test_no_data_are_none(self, client):
        assert client.data(NODE) is None


class TestVersions:
    @pytest.mark.parametrize(
        ("versions", "spoken"),
        [
            (("1.0", "1.18"), "1.8"),
            (("1.0", "1.8"), "1.8"),
            (("1.0", "1.7"), "1.7"),
            (("1.0", "1.2"), "1.2"),
            (("1.0", "1.0"), "1.0"),
            (("0.9", "1.4"), "1.4"),
            (("1.12", "1.30"), "1.12"),
            (("1.5", "2.3"), "1.8"),
            (None, "1.0"),
        ],
    )
    def test_the_best_common_version_is_spoken(self, versions, spoken):
        with ScriptedInspection(versions) as service:
            service.add(NODE)
            with client_of(service) as client:
                client.check()
                assert client.status(NODE) is not None
            headers = service.requests[-1].headers
            name = "X-OpenStack-Ironic-Inspector-API-Version"
            assert headers[name] == spoken

    @pytest.mark.parametrize(
        "versions", [("0.1", "0.9"), ("2.0", "2.0"), ("2.0", "2.7")]
    )
    def test_without_a_common_version_the_check_says_both(self, versions):
        with ScriptedInspection(versions) as service:
            with client_of(service) as client, pytest.raises(TooOld) as old:
                client.check()
            assert str(old.value) == (
                f"The inspection service at {service.url} speaks versions "
                f"{versions[0]} to {versions[1]} of its protocol; needed is "
                "1.0 or a later one that begins with 1."
            )

    def test_a_service_that_becomes_too_old_is_no_answer(self, service):
        with client_of(service) as client:
            client.check()
            service.versions = ("0.1", "0.9")
            service.say("*", refusal(406, "Unsupported API version 1.8"))
            with pytest.raises(NoAnswer, match="406") as none:
                client.status(NODE)
            assert none.value.trouble == "error"
            with pytest.raises(NoAnswer, match=r"0\.1 to 0\.9") as none:
                client.start(NODE)
            assert none.value.trouble == "too old"
            assert not none.value.may_have_begun

    def test_a_replaced_service_is_spoken_to_in_its_version(self, service):
        with client_of(service) as client:
            client.check()
            service.versions = ("1.0", "1.5")
            service.say("*", refusal(406, "Unsupported API version 1.8"))
            with pytest.raises(NoAnswer):
                client.statuses([NODE])
            assert client.statuses([NODE]) is None

    def test_before_version_1_8_nothing_is_listed(self):
        with ScriptedInspection(("1.0", "1.7")) as service:
            service.add(NODE)
            with client_of(service) as client:
                assert client.statuses([NODE]) is None
            assert service.asked("GET", "/v1/introspection") == []

    def test_before_version_1_3_nothing_can_be_aborted(self):
        with ScriptedInspection(("1.0", "1.2")) as service:
            service.add(NODE)
            with (
                client_of(service) as client,
                pytest.raises(Refusal, match=r"version 1\.2 of its"),
            ):
                client.abort(NODE)
            assert service.asked("POST") == []

    def test_a_record_without_times_and_name_is_read(self):
        with ScriptedInspection(None) as service:
            service.records[NODE] = {"finished": True, "error": None}
            with client_of(service) as client:
                assert client.status(NODE) == Status(
                    NODE, True, None, None, None
                )

    def test_the_plain_words_of_discoverd_are_shown(self):
        with ScriptedInspection(None) as service:
            words = b"Refusing to introspect node x"
            service.say(
                f"POST /v1/introspection/{NODE}",
                Answer(400, words, {"Content-Type": "text/html"}),
            )
            with (
                client_of(service) as client,
                pytest.raises(Refusal, match=words.decode()),
            ):
                client.start(NODE)


class TestConnecting:
    def test_versions_are_asked_for_once(self, service, client):
        for _ in range(3):
            client.status(NODE)
        assert len(service.asked("GET", "/v1")) == 4
        assert len([r for r in service.requests if r.path == "/v1"]) == 1

    def test_versions_are_asked_for_again_after_no_answer(
        self, service, client
    ):
        client.status(NODE)
        service.say("*", Answer(503))
        with pytest.raises(NoAnswer):
            client.status(NODE)
        client.status(NODE)
        assert len([r for r in service.requests if r.path == "/v1"]) == 2

    def test_an_address_without_version_will_do(self, service):
        service.add(NODE)
        for address in (service.root, f"{service.root}/", f"{service.url}/"):
            with client_of(service, service_url=address) as client:
                assert client.status(NODE) is not None
                client.start(OTHER)
                service.records.pop(OTHER)

    def test_a_name_in_upper_case_is_the_same_service(self, service):
        address = f"http://LOCALHOST:{service.port}/v1"
        with client_of(service, service_url=address) as client:
            client.start(NODE)
        assert NODE in service.records

    def test_the_check_asks_a_question_with_credentials(self, service):
        service.account = ("inspector", "secret")
        with client_of(service) as client, pytest.raises(NoAnswer) as none:
            client.check()
        assert none.value.trouble == "access"

    def test_an_old_service_is_checked_with_a_node_that_is_none(self):
        with ScriptedInspection(None) as service, client_of(service) as one:
            one.check()
            assert service.requests[-1].path.startswith("/v1/introspection/0")

    @pytest.mark.parametrize("status", [200, 404])
    @pytest.mark.parametrize("versions", [None, ("1.0", "1.18")])
    def test_a_web_server_of_another_kind_is_found_out(self, status, versions):
        with ScriptedInspection(versions) as service:
            service.say("*", *[html(status)] * 3)
            with client_of(service) as client, pytest.raises(NoAnswer) as no:
                client.check()
        assert no.value.trouble == "rubbish"


class TestCounting:
    def test_each_request_is_counted_by_its_end(self, service, client):
        client.start(NODE)
        client.status(NODE)
        client.statuses([NODE])
        service.say("*", Answer(500))
        with pytest.raises(NoAnswer):
            client.data(NODE)
        service.add(NODE, state="processing")
        with pytest.raises(Refusal):
            client.start(NODE)
        tally = client.tally
        assert tally.ended("start", "answer") == 1
        assert tally.ended("start", "refusal") == 1
        assert tally.ended("statuses", "answer") == 1
        assert tally.ended("data", "error") == 1
        assert tally.seconds("status") > 0
