# SPDX-License-Identifier: Apache-2.0
"""Whatever comes over the wire, a request ends in time with a typed error."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from baremetal_backend.drivers.discoverd.errors import NoAnswer, Refusal
from lab.inspection.scripted import Answer, ScriptedInspection, html, refusal
from tests.backend.drivers.discoverd.over_http import client_of

NODE = "11111111-2222-3333-4444-555555555555"
START = f"POST /v1/introspection/{NODE}"
STATUS = f"GET /v1/introspection/{NODE}"
LIST = "GET /v1/introspection"
DATA = f"GET /v1/introspection/{NODE}/data"
ABORT = f"POST /v1/introspection/{NODE}/abort"
RECORD = {
    "uuid": NODE,
    "finished": False,
    "error": None,
    "started_at": "2026-01-01T00:00:00",
    "finished_at": None,
}


@pytest.fixture
def service():
    with ScriptedInspection() as scripted:
        scripted.add(NODE)
        yield scripted


@pytest.fixture
def client(service):
    with client_of(service) as made:
        made.check()
        yield made


def no_answer(call, *arguments) -> NoAnswer:
    with pytest.raises(NoAnswer) as caught:
        call(*arguments)
    return caught.value


RUBBISH = [
    b"",
    b"null",
    b"[]",
    b"{}",
    b"17",
    b'"finished"',
    b"not json at all",
    b"\xff\xfe\x00",
    b"[" * 100_000,
    b'{"finished": "yes"}',
    b'{"finished": 1, "error": null}',
    b'{"finished": true, "error": {"message": "no"}}',
    b'{"finished": true, "error": null, "started_at": 17}',
    b'{"uuid": 5, "finished": true, "error": null}',
    b'{"uuid": "somebody else", "finished": true, "error": null}',
    b'{"finished": ' + b"1" * 5000 + b"}",
]


class TestRubbish:
    @pytest.mark.parametrize("body", RUBBISH, ids=lambda body: repr(body[:30]))
    def test_a_status_of_rubbish_is_no_answer(self, service, client, body):
        service.say(STATUS, Answer(200, body))
        error = no_answer(client.status, NODE)
        assert error.trouble == "rubbish"
        assert not error.may_have_begun
        assert len(str(error)) < 400
        assert client.status(NODE) is not None

    @pytest.mark.parametrize(
        "body",
        [
            *RUBBISH[:9],
            b'{"introspection": null}',
            b'{"introspection": {}}',
            b'{"introspection": [17]}',
            b'{"introspection": [{"finished": true}]}',
            b'{"introspection": [{"uuid": ["a"], "finished": true}]}',
        ],
        ids=lambda body: repr(body[:50]),
    )
    def test_a_list_of_rubbish_is_no_answer(self, service, client, body):
        service.say(LIST, Answer(200, body))
        assert no_answer(client.statuses, [NODE]).trouble == "rubbish"
        assert client.statuses([NODE])

    def test_a_record_of_rubbish_is_left_out_of_a_list(self, service, client):
        service.add("other", finished="perhaps")
        assert list(client.statuses([NODE, "other"])) == [NODE]

    def test_rubbish_about_a_node_that_nobody_wants_hurts_nobody(
        self, service, client
    ):
        service.add("other", finished="perhaps")
        assert list(client.statuses([NODE])) == [NODE]

    @pytest.mark.parametrize(
        "body", [b"[]", b"null", b"", b"<html>", b"[" * 100_000]
    )
    def test_data_of_rubbish_are_no_answer(self, service, client, body):
        service.say(DATA, Answer(200, body))
        assert no_answer(client.data, NODE).trouble == "rubbish"

    @pytest.mark.parametrize(
        "headers",
        [
            {"X-OpenStack-Ironic-Inspector-API-Maximum-Version": "banana"},
            {"X-OpenStack-Ironic-Inspector-API-Minimum-Version": "1"},
            {"X-OpenStack-Ironic-Inspector-API-Maximum-Version": "1.8.3"},
            {"X-OpenStack-Ironic-Inspector-API-Maximum-Version": ""},
        ],
    )
    def test_versions_that_are_none_never_crash(self, service, headers):
        service.say("GET /v1", *[Answer(200, {}, headers)] * 2)
        with client_of(service) as client:
            try:
                found = client.status(NODE)
            except NoAnswer as error:
                assert error.trouble in ("rubbish", "too old")
            else:
                assert found is not None

    def test_an_answer_without_end_is_given_up(
        self, service, client, monkeypatch
    ):
        monkeypatch.setattr(
            "baremetal_backend.drivers.discoverd.transport._LARGEST", 100_000
        )
        service.say(STATUS, Answer(200, b" " * 1_000_000))
        error = no_answer(client.status, NODE)
        assert error.trouble == "rubbish"
        assert "without end" in str(error)

    @pytest.mark.parametrize(
        "answer",
        [
            Answer(302, b"", {"Location": "http://127.0.0.1:1/v1"}),
            Answer(204),
            Answer(200, b"", {"Content-Type": "text/html"}),
            Answer(201, {}),
            html(404),
            Answer(404, {"error_message": "no such page"}),
            Answer(404, {"error": "gone"}),
            Answer(404, b"[" * 100_000),
        ],
        ids=lambda answer: f"{answer.status} {answer.body!r:.20}",
    )
    def test_what_no_inspection_service_says_is_not_no_record(
        self, service, client, answer
    ):
        service.say(STATUS, answer)
        assert no_answer(client.status, NODE).trouble == "rubbish"

    def test_a_redirection_is_not_followed(self, service, client):
        elsewhere = {"Location": f"{service.root}/v1/introspection/elsewhere"}
        service.say(START, Answer(302, b"", elsewhere))
        error = no_answer(client.start, NODE)
        assert "points elsewhere" in str(error)
        assert not error.may_have_begun
        assert not service.asked("POST", "/v1/introspection/elsewhere")


class TestServerErrors:
    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            (Answer(500), "answers 500."),
            (html(500), "answers 500."),
            (html(502), "answers 502."),
            (
                refusal(500, "Internal server error (ConnectFailure)"),
                "answers 500 (Internal server error (ConnectFailure)).",
            ),
            (Answer(503, b"\xff\xff"), "answers 503"),
            (Answer(504, {"error": 3}), "answers 504."),
        ],
    )
    def test_a_5xx_is_no_answer_in_one_line(
        self, service, client, answer, said
    ):
        service.say(STATUS, answer)
        service.say(START, answer)
        error = no_answer(client.status, NODE)
        assert error.trouble == "error"
        assert not error.may_have_begun
        assert said in str(error)
        assert "<" not in str(error)
        assert no_answer(client.start, NODE).may_have_begun

    def test_a_start_that_is_answered_500_may_begin_all_the_same(
        self, service, client
    ):
        service.finish(NODE)
        timeout = refusal(500, "Internal server error (MessagingTimeout)")
        service.say(START, Answer(500, timeout.body, carried_out=True))
        assert no_answer(client.start, NODE).may_have_begun
        assert client.status(NODE).finished is False

    @pytest.mark.parametrize("status", [408, 429])
    def test_later_is_no_refusal(self, service, client, status):
        service.say(START, Answer(status, b"Slow down"))
        error = no_answer(client.start, NODE)
        assert error.trouble == "error"
        assert not error.may_have_begun

    def test_a_question_is_never_refused(self, service, client):
        for call in (STATUS, LIST, DATA):
            service.say(call, *[refusal(400, "Bad marker")] * 2)
        for call, argument in (
            (client.status, NODE),
            (client.statuses, [NODE]),
            (client.data, NODE),
        ):
            error = no_answer(call, argument)
            assert error.trouble == "error"
            assert "refuses to answer: Bad marker" in str(error)

    @pytest.mark.parametrize("call", [START, ABORT])
    def test_an_order_that_is_refused_is_told_in_its_words(
        self, service, client, call
    ):
        service.say(
            call, refusal(400, "Failed validation of power\ninterface")
        )
        order = client.start if call == START else client.abort
        with pytest.raises(Refusal, match=r"^Failed validation of power int"):
            order(NODE)

    def test_an_unknown_node_is_a_refused_start(self, service, client):
        service.say(START, refusal(404, "Node was not found"))
        with pytest.raises(Refusal) as refused:
            client.start(NODE)
        assert refused.value.http_status == 404

    def test_the_library_says_nothing_of_its_own(
        self, service, client, caplog
    ):
        service.say(STATUS, Answer(500, [1]), Answer(500, {"error": 1}))
        for _ in range(2):
            no_answer(client.status, NODE)
        assert [r for r in caplog.records if r.levelname != "DEBUG"] == []


class TestLostAnswers:
    def test_nobody_there_is_unreachable_and_nothing_began(self, service):
        service.stop()
        with client_of(service) as client:
            error = no_answer(client.start, NODE)
        assert error.trouble == "unreachable"
        assert not error.may_have_begun
        assert str(error) == (
            f"The inspection service at {service.url} can't be reached: "
            "Connection refused."
        )

    def test_a_service_that_goes_away_has_not_begun(self, service, client):
        service.stop()
        error = no_answer(client.start, NODE)
        assert error.trouble == "unreachable"
        assert not error.may_have_begun

    def test_an_unknown_host_is_unreachable(self, service):
        address = "http://nobody.invalid:5050/v1"
        with client_of(service, service_url=address) as client:
            error = no_answer(client.start, NODE)
        assert error.trouble == "unreachable"
        assert not error.may_have_begun

    def test_a_connection_that_breaks_off_may_have_begun(
        self, service, client
    ):
        service.say(START, Answer(hang_up=True))
        error = no_answer(client.start, NODE)
        assert error.trouble == "unreachable"
        assert error.may_have_begun
        assert "breaks off" in str(error)

    def test_an_answer_that_is_cut_off_is_none(self, service, client):
        service.say(STATUS, Answer(200, RECORD, cut_off=True))
        assert no_answer(client.status, NODE).trouble == "unreachable"
        service.say(START, Answer(202, {}, cut_off=True))
        assert no_answer(client.start, NODE).may_have_begun

    def test_something_that_speaks_no_http_is_unreachable(self, service):
        with client_of(
            service, service_url=service.url.replace("http:", "https:")
        ) as client:
            error = no_answer(client.status, NODE)
        assert error.trouble == "unreachable"


@contextlib.contextmanager
def trickling(begin: bytes) -> Iterator[str]:
    """The address of a service that says this, and then goes on for long.

    Each byte comes within any time-out for a read.
    """
    stopped = threading.Event()

    def answer(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            peer, _ = listener.accept()
            with peer:
                peer.recv(65536)
                peer.sendall(begin)
                for _ in range(600):
                    if stopped.wait(0.05):
                        break
                    peer.sendall(b"0")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, args=(listener,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        finally:
            stopped.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(20)


class TestLateAnswers:
    """The only ones that wait: each for half a second."""

    QUICK = {
        "connect_timeout": 0.2,
        "start_timeout": 0.5,
        "request_timeout": 0.3,
    }

    @pytest.fixture
    def hurried(self, service):
        with client_of(service, **self.QUICK) as client:
            for _ in range(50):
                # A busy machine may need more than one try.
                with contextlib.suppress(NoAnswer):
                    client.check()
                    break
            yield client

    def test_a_late_start_may_have_begun(self, service, hurried):
        service.say(START, Answer(202, {}, after=30))
        begun = time.monotonic()
        error = no_answer(hurried.start, NODE)
        assert 0.5 <= time.monotonic() - begun < 15
        assert error.trouble == "timeout"
        assert error.may_have_begun
        assert "does not answer within 0.5 s" in str(error)

    @pytest.mark.parametrize(
        ("call", "method", "argument"),
        [
            (STATUS, "status", NODE),
            (LIST, "statuses", [NODE]),
            (DATA, "data", NODE),
            (ABORT, "abort", NODE),
        ],
    )
    def test_everything_else_has_less_time(
        self, service, hurried, call, method, argument
    ):
        service.say(call, Answer(200, RECORD, after=30))
        error = no_answer(getattr(hurried, method), argument)
        assert error.trouble == "timeout"
        assert "within 0.3 s" in str(error)

    def test_an_answer_that_drips_is_late_as_well(self, service, hurried):
        service.say(STATUS, Answer(200, RECORD, drip=0.2))
        begun = time.monotonic()
        assert no_answer(hurried.status, NODE).trouble == "timeout"
        assert time.monotonic() - begun < 15

    @pytest.mark.parametrize(
        "begin",
        [
            b"HTTP/1.1 200 OK\r\nX-Long: ",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        ],
        ids=["headers", "length of a chunk"],
    )
    def test_an_answer_that_never_gets_to_its_content_is_late(
        self, service, begin
    ):
        with trickling(begin) as url:
            hurried = {**self.QUICK, "connect_timeout": 1.0}
            with client_of(service, service_url=url, **hurried) as client:
                begun = time.monotonic()
                error = no_answer(client.check)
        assert error.trouble == "timeout"
        assert time.monotonic() - begun < 15

    def test_a_connection_is_used_again_after_a_late_answer(
        self, service, hurried
    ):
        service.say(STATUS, Answer(200, RECORD, drip=0.2))
        no_answer(hurried.status, NODE)
        found = None
        for _ in range(50):
            with contextlib.suppress(NoAnswer):
                found = hurried.status(NODE)
                break
        assert found is not None

    def test_no_deadline_outlives_its_request(self, service, client):
        for _ in range(5):
            client.status(NODE)
        assert not [
            one
            for one in threading.enumerate()
            if one.name == "baremetal-discoverd-deadline"
            and not one.finished.is_set()
        ]

    def test_an_abort_has_ten_seconds_at_most(self, service):
        with client_of(service, request_timeout=600.0) as client:
            patience = client._session._patience
            assert (
                patience(f"{service.url}/introspection/x/abort", "POST") == 10
            )

    def test_a_new_client_of_a_slow_service_gives_up(self, service):
        service.say("GET /v1", Answer(200, {}, after=30))
        with client_of(service, **self.QUICK) as client:
            error = no_answer(client.start, NODE)
        assert error.trouble == "timeout"
        assert not error.may_have_begun
