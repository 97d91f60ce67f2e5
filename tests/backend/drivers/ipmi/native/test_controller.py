# SPDX-License-Identifier: Apache-2.0
"""What one controller is asked, when it is asked again, and how that ends."""

from __future__ import annotations

import dataclasses
import os
import random

import pytest

from baremetal_backend.conf.ipmi import IpmiSettings
from baremetal_backend.drivers.ipmi import command
from baremetal_backend.drivers.ipmi.bmc import Privilege, Secret
from baremetal_backend.drivers.ipmi.command import Command, Response
from baremetal_backend.drivers.ipmi.errors import (
    BadCredentials,
    Busy,
    IpmiError,
    ProtocolViolation,
    Refused,
    Unanswered,
    Unreachable,
)
from lab.ipmi.faults import OPEN_RESPONSE, RAKP2, RAKP4
from tests.backend.drivers.ipmi.native.exchange import (
    BMC,
    Exchange,
    first,
    in_session,
    step,
)

STATUS = Response(b"\x00\x00\x00")
RESET = "00.02 03"


@pytest.fixture
def exchange() -> Exchange:
    return Exchange()


# -- sessions -----------------------------------------------------------------


@pytest.mark.parametrize("suite", [3, 17])
def test_a_command_logs_in_and_the_next_one_uses_the_session(
    exchange: Exchange, suite: int
) -> None:
    exchange.script.cipher_suites = [suite]

    assert exchange.do().outcome == STATUS
    assert exchange.do(command.POWER_UP).outcome == Response(b"")
    assert exchange.do().outcome == Response(b"\x01\x00\x00")

    assert exchange.counts["logins"] == 1
    assert len(exchange.bmc.sessions) == 1


def test_a_suite_that_worked_is_tried_first_at_the_next_login(
    exchange: Exchange,
) -> None:
    exchange.script.cipher_suites = [3]
    exchange.do()
    exchange.run(30)
    exchange.sent.clear()

    exchange.do()

    opened = [one for one in exchange.sent if step(0x10)(one)]
    assert len(opened) == 1
    assert opened[0][16 + 12] == 1


def test_credentials_work_again_after_a_logout(exchange: Exchange) -> None:
    for _ in range(3):
        assert exchange.do().outcome == STATUS
        exchange.ours.forget(BMC, exchange.now)
        exchange.run(1)
        assert not exchange.bmc.sessions


def test_an_idle_session_is_closed_in_time(exchange: Exchange) -> None:
    exchange.do()
    exchange.run(19)
    assert len(exchange.bmc.sessions) == 1
    exchange.run(1.5)
    assert not exchange.bmc.sessions
    assert exchange.ours.quiet


def test_without_idle_time_each_command_has_a_session_of_its_own() -> None:
    exchange = Exchange(IpmiSettings(session_idle_timeout=0.0))

    exchange.do()
    exchange.run(0.1)

    assert not exchange.bmc.sessions
    assert exchange.do().outcome == STATUS


def test_there_is_one_session_for_many_commands(exchange: Exchange) -> None:
    asked = [exchange.ask() for _ in range(20)]
    exchange.run(1)
    assert [one.outcome for one in asked] == [STATUS] * 20
    assert len(exchange.bmc.sessions) == 1


def test_other_credentials_have_a_session_of_their_own(
    exchange: Exchange,
) -> None:
    operator = dataclasses.replace(BMC, privilege=Privilege.OPERATOR)
    both = exchange.ask(), exchange.ask(bmc=operator)
    exchange.run(1)
    assert [one.outcome for one in both] == [STATUS, STATUS]
    assert len(exchange.bmc.sessions) == 2


def test_stopping_closes_all_sessions_and_ends_all_commands(
    exchange: Exchange,
) -> None:
    exchange.do()
    exchange.loses_answer = first(1, in_session)
    waiting = [exchange.ask(), exchange.ask()]

    exchange.ours.stop(exchange.now)
    exchange.run(1)

    assert not exchange.bmc.sessions
    assert all("the client is stopping" in one.error for one in waiting)
    assert exchange.retired


def test_nothing_is_kept_of_a_controller_that_nobody_asks_for(
    exchange: Exchange,
) -> None:
    exchange.do()
    exchange.run(590)
    assert not exchange.retired
    exchange.run(30)
    assert exchange.retired
    assert len(exchange.left) == 1


# -- one at a time, in order, in time -----------------------------------------


def test_one_command_is_in_flight_at_a_time(exchange: Exchange) -> None:
    exchange.do()
    exchange.sent.clear()
    for _ in range(3):
        exchange.ask()
    assert len(exchange.sent) == 1


def test_what_clients_ask_for_comes_before_background_work(
    exchange: Exchange,
) -> None:
    exchange.ask(background=True)  # is in flight at once
    order: list[int] = []
    works = [
        exchange.ask(background=True),
        exchange.ask(background=True),
        exchange.ask(),
    ]
    for _ in range(200):
        exchange.run(0.001)
        for number, one in enumerate(works):
            if one.outcome is not None and number not in order:
                order.append(number)
    assert order == [2, 0, 1]


@pytest.mark.parametrize("seconds", [0.5, 3.0, 10.0])
def test_a_silent_controller_costs_the_deadline_and_no_more(
    exchange: Exchange, seconds: float
) -> None:
    exchange.cut()

    asked = exchange.do(seconds=seconds)

    assert isinstance(asked.outcome, Unreachable)
    assert asked.seconds == pytest.approx(seconds, abs=0.002)
    assert "192.0.2.1:623: Get Chassis Status failed" in asked.error
    assert "step: capabilities" in asked.error


def test_a_command_behind_a_slow_one_keeps_its_own_deadline(
    exchange: Exchange,
) -> None:
    exchange.cut()
    exchange.ask(seconds=10.0)
    asked = exchange.do(seconds=2.0)
    assert asked.seconds == pytest.approx(2.0, abs=0.002)
    assert "its turn did not come" in asked.error


def test_a_silent_last_step_of_the_login_costs_the_deadline(
    exchange: Exchange,
) -> None:
    exchange.loses_answer = in_session
    asked = exchange.do(seconds=4.0)
    assert isinstance(asked.outcome, Unreachable)
    assert asked.seconds == pytest.approx(4.0, abs=0.002)
    assert "session" in asked.error


def test_an_answer_after_the_deadline_is_not_taken_for_another(
    exchange: Exchange,
) -> None:
    exchange.do()
    exchange.script.answers_after = 3.0
    late = exchange.do(seconds=1.0)
    exchange.script.answers_after = 0.0
    power = exchange.do(command.POWER_UP)
    exchange.run(5)
    assert isinstance(late.outcome, Unreachable)
    assert power.outcome == Response(b"")
    assert exchange.do().outcome == Response(b"\x01\x00\x00")


def test_a_slow_controller_is_waited_for_until_the_deadline(
    exchange: Exchange,
) -> None:
    exchange.do()
    exchange.script.answers_after = 3.0
    assert exchange.do(seconds=10.0).outcome == STATUS


# -- losses -------------------------------------------------------------------


@pytest.mark.parametrize("kind", [OPEN_RESPONSE, RAKP2, RAKP4])
@pytest.mark.parametrize("times", [1, 2, 4])
def test_a_login_gets_over_lost_answers(
    exchange: Exchange, kind: int, times: int
) -> None:
    exchange.script.max_sessions = 63
    exchange.loses_answer = first(times, step(kind))
    asked = exchange.do()
    assert asked.outcome == STATUS
    assert asked.seconds < 3.0


def test_the_first_repetition_comes_after_a_third_of_a_second(
    exchange: Exchange,
) -> None:
    exchange.do()
    exchange.loses_answer = first(1, in_session)
    asked = exchange.do()
    assert asked.outcome == STATUS
    assert 0.2 < asked.seconds < 0.4


def test_repetitions_wait_for_a_slow_network() -> None:
    exchange = Exchange()
    exchange.script.answers_after = 0.5
    for _ in range(8):
        exchange.do()
    repeated = exchange.counts["repetitions"]
    for _ in range(5):
        assert exchange.do().outcome == STATUS
    assert exchange.counts["repetitions"] == repeated


def test_a_controller_that_ignores_repetitions_gets_a_new_request(
    exchange: Exchange,
) -> None:
    """Some never answer a request whose number they have seen (6.13.2)."""
    exchange.do()
    seen: set[int] = set()
    answer = exchange.bmc._answer

    def once_per_number(session: object, request: object, raw: bytes) -> None:
        number = raw[4] >> 2
        if number in seen:
            return
        seen.add(number)
        answer(session, request, raw)  # type: ignore[arg-type]

    exchange.bmc._answer = once_per_number  # type: ignore[method-assign]
    exchange.loses_answer = first(1, in_session)

    asked = exchange.do()

    assert asked.outcome == STATUS
    assert asked.seconds < 1.0
    assert exchange.counts["lost_sessions"] == 0


@pytest.mark.parametrize("seed", range(6))
def test_every_command_succeeds_while_a_fifth_is_lost(
    exchange: Exchange, seed: int
) -> None:
    dice = random.Random(seed)
    exchange.script.max_sessions = 63
    exchange.loses_request = lambda _: dice.random() < 0.2
    exchange.loses_answer = lambda _: dice.random() < 0.2
    for on in (True, False) * 10:
        switch = command.POWER_UP if on else command.POWER_DOWN
        assert exchange.do(switch).outcome == Response(b"")
        assert exchange.do().outcome == Response(bytes((on, 0, 0)))
        exchange.run(7)


# -- lost sessions ------------------------------------------------------------


def test_a_controller_that_restarted_is_logged_in_anew_at_once(
    exchange: Exchange,
) -> None:
    exchange.do()
    exchange.bmc.sessions.clear()
    asked = exchange.do()
    assert asked.outcome == STATUS
    assert asked.seconds < 1.5
    assert exchange.counts["logins"] == 2


def test_a_controller_that_restarts_within_a_command_answers_it(
    exchange: Exchange,
) -> None:
    exchange.do()
    exchange.cut()
    asked = exchange.ask()
    exchange.run(2)
    exchange.bmc.sessions.clear()
    exchange.mend()
    exchange.run(2)
    assert asked.outcome == STATUS


def test_a_session_is_given_up_with_a_farewell(exchange: Exchange) -> None:
    """It may have been slow only, and has four sessions in all."""
    exchange.do()
    exchange.loses_answer = first(3, in_session)
    assert exchange.do().outcome == STATUS
    assert len(exchange.bmc.sessions) == 1


# -- what must not be carried out twice ---------------------------------------


def test_a_reset_is_sent_once_whatever_is_lost(exchange: Exchange) -> None:
    exchange.do()
    exchange.loses_answer = in_session
    asked = exchange.do(command.HARD_RESET, 5.0)
    exchange.mend()
    exchange.run(5)
    assert isinstance(asked.outcome, Unanswered)
    assert "it may have been carried out" in asked.error
    assert exchange.carried_out(RESET) == 1


def test_a_reset_in_a_session_that_was_lost_is_carried_out_once(
    exchange: Exchange,
) -> None:
    exchange.do()
    exchange.run(10)
    exchange.bmc.sessions.clear()
    assert exchange.do(command.HARD_RESET).outcome == Response(b"")
    assert exchange.carried_out(RESET) == 1


@pytest.mark.parametrize("seed", range(5))
def test_a_reset_is_never_carried_out_twice_while_a_quarter_is_lost(
    exchange: Exchange, seed: int
) -> None:
    dice = random.Random(seed)
    exchange.script.max_sessions = 63
    exchange.loses_request = lambda _: dice.random() < 0.25
    exchange.loses_answer = lambda _: dice.random() < 0.25
    for number in range(1, 9):
        asked = exchange.do(command.HARD_RESET)
        done = exchange.carried_out(RESET)
        if isinstance(asked.outcome, Response):
            assert done == number
        else:
            assert isinstance(asked.outcome, Unreachable)
            assert done in (number - 1, number)
        exchange.machine.journal[:] = [RESET] * number
        exchange.run(5)


# -- who it is, and what it says ----------------------------------------------


def test_a_wrong_password_is_known_at_once(exchange: Exchange) -> None:
    wrong = dataclasses.replace(BMC, password=Secret(b"hunter2"))
    asked = exchange.do(bmc=wrong)
    assert isinstance(asked.outcome, BadCredentials)
    assert asked.seconds < 0.1
    assert "wrong password" in asked.error
    assert "hunter2" not in asked.error
    exchange.run(0.01)
    assert not exchange.bmc.sessions
    assert exchange.do().outcome == STATUS


def test_an_unknown_user_is_known_at_once(exchange: Exchange) -> None:
    asked = exchange.do(bmc=dataclasses.replace(BMC, username=b"nobody"))
    assert isinstance(asked.outcome, BadCredentials)
    assert "does not know the user" in asked.error


@pytest.mark.parametrize("at_login", [True, False])
def test_a_privilege_that_the_user_lacks_is_named(
    exchange: Exchange, at_login: bool
) -> None:
    exchange.script.privilege = 2
    exchange.script.refuses_at_login = at_login
    asked = exchange.do()
    assert isinstance(asked.outcome, BadCredentials)
    assert "privilege ADMINISTRATOR" in asked.error
    exchange.run(0.01)
    assert not exchange.bmc.sessions


def test_a_command_above_the_session_s_privilege_names_it(
    exchange: Exchange,
) -> None:
    user = dataclasses.replace(BMC, privilege=Privilege.USER)
    asked = exchange.do(command.POWER_UP, bmc=user)
    assert isinstance(asked.outcome, BadCredentials)
    assert "privilege USER is not enough" in asked.error


def test_a_key_of_two_is_used(exchange: Exchange) -> None:
    exchange.script.key = "a key"
    assert isinstance(exchange.do().outcome, BadCredentials)
    keyed = dataclasses.replace(BMC, key=Secret(b"a key"))
    assert exchange.do(bmc=keyed).outcome == STATUS


def test_no_common_cipher_suite_is_said(exchange: Exchange) -> None:
    exchange.script.cipher_suites = [3]
    only = dataclasses.replace(BMC, cipher_suites=(17,))
    asked = exchange.do(bmc=only)
    assert isinstance(asked.outcome, BadCredentials)
    assert "suite 17" in asked.error


def test_an_answer_for_another_suite_than_asked_means_the_next_one(
    exchange: Exchange,
) -> None:
    """As pyghmi's own controller does: stock pyghmi never logs in there."""
    opened = exchange.bmc._open

    def as_suite_3(payload: bytes, client: tuple[object, ...]) -> None:
        changed = bytearray(payload)
        changed[12], changed[20] = 1, 1
        opened(bytes(changed), client)

    exchange.bmc._open = as_suite_3  # type: ignore[method-assign]
    exchange.script.max_sessions = 63

    asked = exchange.do()

    assert asked.outcome == STATUS
    assert asked.seconds < 0.1


@pytest.mark.parametrize("_", range(20))
def test_a_doubled_refusal_of_a_suite_is_not_one_of_the_next(_: int) -> None:
    """Refusals don't always name the session; their number has to do."""
    exchange = Exchange()
    exchange.script.cipher_suites = [3]
    arrive = exchange._arrive

    def twice(datagram: bytes) -> None:
        if step(OPEN_RESPONSE)(datagram) and datagram[17]:
            datagram = datagram[:20] + bytes(4)
        arrive(datagram)
        arrive(datagram)

    exchange._arrive = twice  # type: ignore[method-assign]
    assert exchange.do().outcome == STATUS


def test_a_controller_without_a_free_session_is_busy(
    exchange: Exchange,
) -> None:
    exchange.script.max_sessions = 0
    poll = exchange.do(background=True)
    assert isinstance(poll.outcome, Busy)
    assert poll.seconds < 0.1
    client = exchange.do(seconds=6.0)
    assert isinstance(client.outcome, Busy)
    assert "no session left" in client.error


def test_a_client_gets_the_session_that_becomes_free(
    exchange: Exchange,
) -> None:
    exchange.script.max_sessions = 0
    asked = exchange.ask()
    exchange.run(3)
    exchange.script.max_sessions = 4
    exchange.run(3)
    assert asked.outcome == STATUS


def test_a_controller_without_time_is_asked_again(exchange: Exchange) -> None:
    exchange.script.refuses["00.01"] = 0xC0
    asked = exchange.ask()
    exchange.run(1)
    assert asked.outcome is None
    exchange.script.refuses.clear()
    exchange.run(1)
    assert asked.outcome == STATUS


def test_a_refusal_has_its_code_and_meaning(exchange: Exchange) -> None:
    exchange.script.refuses["00.01"] = 0xD5
    asked = exchange.do()
    assert isinstance(asked.outcome, Refused)
    assert asked.outcome.code == 0xD5
    assert "(0xd5)" in asked.error


@pytest.mark.parametrize("seed", range(4))
def test_rubbish_and_truncated_answers_are_ignored(
    exchange: Exchange, seed: int
) -> None:
    dice = random.Random(seed)
    exchange.script.max_sessions = 63
    arrive = exchange._arrive

    def spoilt(datagram: bytes) -> None:
        chance = dice.random()
        if chance < 0.2:
            arrive(datagram[: dice.randrange(len(datagram))])
        elif chance < 0.3:
            arrive(os.urandom(dice.randrange(200)))
        else:
            arrive(datagram)

    exchange._arrive = spoilt  # type: ignore[method-assign]
    for _ in range(10):
        assert exchange.do().outcome == STATUS
        exchange.run(25)
    assert exchange.counts["rubbish"]


def test_nothing_but_rubbish_is_a_protocol_violation(
    exchange: Exchange,
) -> None:
    exchange.loses_answer = lambda _: True
    exchange.ask(seconds=2.0)
    asked = exchange.ask(Command("x", 6, 1), seconds=4.0)
    for _ in range(8):
        exchange.inject(os.urandom(40))
        exchange.run(0.5)
    assert isinstance(asked.outcome, ProtocolViolation)
    assert "is no IPMI" in asked.error


def test_a_version_1_5_controller_is_told_apart(exchange: Exchange) -> None:
    outside = exchange.bmc._outside

    def old(request: object) -> tuple[int, bytes]:
        code, data = outside(request)  # type: ignore[arg-type]
        return code, data[:1] + b"\x04\x04\x00" + data[4:]

    exchange.bmc._outside = old  # type: ignore[method-assign]
    exchange.loses_request = step(0x10)
    asked = exchange.do()
    assert isinstance(asked.outcome, ProtocolViolation)
    assert "IPMI 1.5 only" in asked.error


# -- addresses ----------------------------------------------------------------


def test_a_name_without_an_address_is_said(exchange: Exchange) -> None:
    exchange.found = "the name bmc7 has no address: nobody knows it"
    asked = exchange.do()
    assert isinstance(asked.outcome, Unreachable)
    assert "the name bmc7 has no address" in asked.error


def test_a_name_server_that_hangs_costs_the_deadline(
    exchange: Exchange,
) -> None:
    exchange.found = None
    asked = exchange.do(seconds=2.0)
    assert isinstance(asked.outcome, Unreachable)
    assert "we waited for its address" in asked.error


def test_an_address_that_changed_is_found_at_the_next_login(
    exchange: Exchange,
) -> None:
    exchange.do()
    exchange.found = [(2, ("192.0.2.7", 623))]
    exchange.bmc.sessions.clear()
    assert exchange.do().outcome == STATUS
    assert exchange.left == [(2, ("192.0.2.1", 623))]


def test_all_addresses_of_a_name_are_tried(exchange: Exchange) -> None:
    dead = (2, ("192.0.2.66", 623))
    exchange.found = [dead, *exchange.found]  # type: ignore[misc]
    reached: list[object] = []
    join = exchange.join

    def joined(address: object, peer: object) -> object:
        reached.append(address)
        exchange.loses_request = lambda _: address == dead
        return join(address, peer)  # type: ignore[arg-type]

    exchange.join = joined  # type: ignore[assignment, method-assign]
    assert exchange.do().outcome == STATUS
    assert reached[0] == dead
    assert len(reached) == 2


# -- background work ----------------------------------------------------------


def test_background_work_leaves_a_dead_controller_alone(
    exchange: Exchange,
) -> None:
    exchange.cut()
    for _ in range(3):
        exchange.do(seconds=1.0, background=True)
    exchange.sent.clear()

    asked = exchange.ask(seconds=1.0, background=True)

    assert not exchange.sent
    assert isinstance(asked.outcome, Unreachable)
    assert "failures in a row: 3" in asked.error


def test_a_client_is_never_turned_away_by_the_breaker(
    exchange: Exchange,
) -> None:
    exchange.cut()
    for _ in range(3):
        exchange.do(seconds=1.0, background=True)
    exchange.mend()
    assert exchange.do().outcome == STATUS
    assert exchange.do(background=True).outcome == STATUS


def test_wrong_credentials_are_not_tried_over_and_over(
    exchange: Exchange,
) -> None:
    """Many controllers lock a user out after a few."""
    wrong = dataclasses.replace(BMC, password=Secret(b"no"))
    exchange.do(bmc=wrong, background=True)
    exchange.sent.clear()
    again = exchange.do(bmc=wrong, background=True)
    assert isinstance(again.outcome, BadCredentials)
    assert not exchange.sent
    assert exchange.do(background=True).outcome == STATUS


# -- faults of ours -----------------------------------------------------------


def test_a_fault_ends_the_command_and_the_next_one_works(
    exchange: Exchange,
) -> None:
    asked = exchange.ask()
    exchange.ours.fail(ProtocolViolation, "KeyError: 3", exchange.now)
    assert "KeyError: 3" in asked.error
    assert exchange.do().outcome == STATUS


def test_errors_are_never_empty(exchange: Exchange) -> None:
    for kind in (Unreachable, Busy, ProtocolViolation):
        asked = exchange.ask()
        exchange.ours.fail(kind, "why", exchange.now)
        assert isinstance(asked.outcome, IpmiError)
        assert asked.error.endswith("why")
