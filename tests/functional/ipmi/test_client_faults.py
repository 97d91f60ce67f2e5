# SPDX-License-Identifier: Apache-2.0
"""The native client, real controllers, and a network that spoils things."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from baremetal_backend.drivers.ipmi.bmc import Secret
from baremetal_backend.drivers.ipmi.command import (
    CHASSIS_STATUS,
    HARD_RESET,
    POWER_DOWN,
    POWER_UP,
)
from baremetal_backend.drivers.ipmi.errors import IpmiError, Unanswered
from baremetal_backend.drivers.ipmi.native.client import IpmiClient
from lab.ipmi.farm import Farm
from lab.ipmi.faults import BLACKHOLE, MUTE, OPEN_RESPONSE, RAKP2, RAKP4
from lab.ipmi.proxy import Proxies
from lab.ipmi.scripted import ScriptedBmc
from lab.ipmi.target import USER
from tests.functional.ipmi.asking import (
    Sweep,
    as_bmc,
    call,
    is_on,
    running_client,
)

COUNT = 60
DEADLINE = 10.0
RESET = "00.02 03"


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    """Sixty, of which each third is on."""
    directory = tmp_path_factory.mktemp("many")
    with Farm(directory, COUNT, cheap=True) as farm:
        yield farm


@pytest.fixture(scope="module")
def network(
    many: Farm, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxies]:
    """What is between the sixty and the client."""
    targets = [bmc.target for bmc in many]
    with Proxies(tmp_path_factory.mktemp("network"), targets) as proxies:
        yield proxies


@pytest.fixture
def proxies(network: Proxies) -> Proxies:
    """A good network, at first."""
    network.spoil()
    return network


def test_a_fifth_of_all_packets_lost_costs_time_and_no_answer(
    many: Farm, proxies: Proxies, client: IpmiClient
) -> None:
    truth = list(many.truth().values())
    bmcs = [as_bmc(proxy.target) for proxy in proxies]
    proxies.spoil(drop=0.2)
    for _ in ("with logins", "in sessions"):
        assert Sweep(client, bmcs, DEADLINE).states(DEADLINE + 2) == truth
    assert proxies[0].counts().lost > 0


@pytest.mark.parametrize(
    "fault",
    [
        {"duplicate": 1.0},
        {"delay": 0.05, "jitter": 0.3},
        {"reorder": 0.5},
        {"truncate": 0.2},
        {"garbage": 0.2},
        {"wrong_session": 0.2},
    ],
    ids=lambda fault: next(iter(fault)),
)
def test_bad_packets_spoil_no_answer(
    many: Farm,
    proxies: Proxies,
    client: IpmiClient,
    fault: dict[str, float],
) -> None:
    truth = list(many.truth().values())
    bmcs = [as_bmc(proxy.target) for proxy in proxies]
    proxies.spoil(**fault)
    for _ in ("with logins", "in sessions"):
        assert Sweep(client, bmcs, DEADLINE).states(DEADLINE + 2) == truth


@pytest.mark.parametrize(
    "message", [OPEN_RESPONSE, RAKP2], ids=["open", "RAKP2"]
)
def test_a_login_that_stops_half_way_stops_nobody_else(
    many: Farm, proxies: Proxies, client: IpmiClient, message: int
) -> None:
    proxies[0].spoil(BLACKHOLE, only=(message,))
    bmcs = [as_bmc(proxy.target) for proxy in proxies]
    states = Sweep(client, bmcs, 1.5).states(3)
    assert states[0] == "unreachable"
    assert states[1:] == list(many.truth().values())[1:]


def test_a_login_whose_last_answer_is_lost_is_a_login(
    many: Farm, proxies: Proxies, client: IpmiClient
) -> None:
    # What the controller signs in the session proves as much.
    proxies.spoil(BLACKHOLE, only=(RAKP4,))
    bmcs = [as_bmc(proxy.target) for proxy in proxies]
    assert Sweep(client, bmcs, 4).states(6) == list(many.truth().values())


def test_twenty_act_while_a_twentieth_of_the_others_is_dead(
    many: Farm, proxies: Proxies, client: IpmiClient
) -> None:
    dead = range(0, COUNT, 20)
    for number in dead:
        proxies[number].spoil(BLACKHOLE)
    bmcs = [as_bmc(proxy.target) for proxy in proxies]
    sweep = Sweep(client, bmcs, 3.0)
    acting = [
        call(client, bmcs[number], POWER_UP, 5) for number in range(1, 20)
    ]
    assert max(ended.seconds for ended in acting) < 2.9
    assert not [one for one in acting if isinstance(one.outcome, IpmiError)]
    sweep.wait(8)
    for number, bmc in enumerate(bmcs):
        answered = sweep.answers[bmc]
        if number in dead:
            assert isinstance(answered.outcome, IpmiError)
            assert bmc.where in str(answered.outcome)
            assert 2.9 < answered.seconds < 5
        else:
            assert not isinstance(answered.outcome, IpmiError)
            assert answered.seconds < 2.9


def test_a_restart_between_commands_is_healed_at_once(
    farm: Farm, client: IpmiClient
) -> None:
    bmc = as_bmc(farm[0].target)
    assert is_on(client, bmc)
    farm[0].restart()
    ended = call(client, bmc, CHASSIS_STATUS, DEADLINE)
    assert not isinstance(ended.outcome, IpmiError)
    # A person at the keyboard hardly notices; 21 s without our remedy.
    assert ended.seconds < 5


def test_a_restart_inside_a_command_is_healed_within_its_deadline(
    farm: Farm, client: IpmiClient
) -> None:
    bmc = as_bmc(farm[0].target)
    assert is_on(client, bmc)
    farm[0].stop()
    asked = client.submit(bmc, CHASSIS_STATUS, DEADLINE)
    with pytest.raises(TimeoutError):
        asked.result(0.7)
    farm[0].restart()
    assert asked.result(DEADLINE).data[0] & 1


def test_a_stopped_controller_holds_up_nobody_and_returns(
    farm: Farm, client: IpmiClient
) -> None:
    bmcs = [as_bmc(one.target) for one in farm]
    for bmc in bmcs:
        is_on(client, bmc)
    farm[1].stop()
    try:
        waiting = client.submit(bmcs[1], CHASSIS_STATUS, 1.5)
        for number in (0, 2, 3):
            ended = call(client, bmcs[number], CHASSIS_STATUS, 5)
            assert ended.seconds < 1.4
            assert not isinstance(ended.outcome, IpmiError)
        error = waiting.exception(5)
        assert isinstance(error, IpmiError)
        assert error.kind == "unreachable"
        assert 1.4 < error.seconds < 3.0
    finally:
        farm[1].cont()
    ended = call(client, bmcs[1], CHASSIS_STATUS, 5)
    assert not isinstance(ended.outcome, IpmiError)
    assert ended.seconds < 5


def test_taken_slots_are_busy_until_one_is_free(
    scripted: ScriptedBmc, client: IpmiClient
) -> None:
    bmc = as_bmc(scripted.target)
    with running_client() as last:
        with running_client() as a, running_client() as b:
            for other in (a, b, last):
                is_on(other, bmc)
            scripted.script(max_sessions=3)
            ended = call(client, bmc, CHASSIS_STATUS, 2)
            assert isinstance(ended.outcome, IpmiError)
            assert ended.outcome.kind == "busy"
            assert "None" not in str(ended.outcome)
        assert scripted.sessions == 1
        assert not is_on(client, bmc)


def test_a_client_takes_one_slot_and_gives_it_back(
    scripted: ScriptedBmc,
) -> None:
    bmc = as_bmc(scripted.target)
    with running_client() as client:
        pending = [client.submit(bmc, CHASSIS_STATUS) for _ in range(50)]
        for one in pending:
            one.result(DEADLINE)
        assert scripted.sessions == 1
    assert scripted.sessions == 0


def test_a_wrong_password_is_known_at_once_and_the_right_one_works(
    farm: Farm, scripted: ScriptedBmc, client: IpmiClient
) -> None:
    for target in (farm[0].target, scripted.target):
        wrong = as_bmc(target, password=Secret(b"not-the-word"))
        ended = call(client, wrong, CHASSIS_STATUS, DEADLINE)
        assert isinstance(ended.outcome, IpmiError)
        assert ended.outcome.kind == "bad_credentials"
        assert ended.seconds < 3
        assert "not-the-word" not in str(ended.outcome)
        is_on(client, as_bmc(target), 5)
        nobody = as_bmc(target, username=b"nobody")
        ended = call(client, nobody, CHASSIS_STATUS, DEADLINE)
        assert isinstance(ended.outcome, IpmiError)
        assert ended.outcome.kind == "bad_credentials"


def test_a_cipher_suite_that_nobody_has_is_named(
    farm: Farm, scripted: ScriptedBmc, client: IpmiClient
) -> None:
    scripted.script(cipher_suites=[17])
    for target, suites in (
        (farm[0].target, (17,)),
        (scripted.target, (3,)),
    ):
        bmc = as_bmc(target, cipher_suites=suites)
        ended = call(client, bmc, CHASSIS_STATUS, 5)
        assert isinstance(ended.outcome, IpmiError)
        assert ended.outcome.kind == "bad_credentials"
        assert f"suite {suites[0]}" in str(ended.outcome)
        is_on(client, as_bmc(target), 5)


def test_a_privilege_that_the_user_lacks_is_named(
    farm: Farm, scripted: ScriptedBmc, client: IpmiClient
) -> None:
    for at_login in (True, False):
        scripted.script(privilege=2, refuses_at_login=at_login)
        ended = call(client, as_bmc(scripted.target), CHASSIS_STATUS, 5)
        assert isinstance(ended.outcome, IpmiError)
        assert ended.outcome.kind == "bad_credentials"
        assert "ADMINISTRATOR" in str(ended.outcome)
        client.forget(as_bmc(scripted.target))
    user = as_bmc(farm[0].target.as_(USER))
    assert is_on(client, user)
    ended = call(client, user, POWER_UP, 5)
    assert isinstance(ended.outcome, IpmiError)
    assert ended.outcome.kind == "bad_credentials"
    assert not farm[0].journal or farm[0].journal[-1] != "power 1"


def test_an_answer_after_the_deadline_answers_nothing_else(
    scripted: ScriptedBmc, client: IpmiClient
) -> None:
    bmc = as_bmc(scripted.target)
    assert not is_on(client, bmc)
    scripted.script(answers_after=1.2)
    late = call(client, bmc, CHASSIS_STATUS, 0.8)
    assert isinstance(late.outcome, IpmiError)
    assert 0.75 < late.seconds < 2
    # The answer "off" is still on its way.
    scripted.is_on = True
    scripted.script(answers_after=0.0)
    for _ in range(20):
        assert is_on(client, bmc)


def test_a_reset_whose_answer_is_lost_is_carried_out_once(
    scripted: ScriptedBmc, client: IpmiClient
) -> None:
    bmc = as_bmc(scripted.target)
    is_on(client, bmc)
    scripted.script(loses={"00.02": 5})
    ended = call(client, bmc, HARD_RESET, 3)
    assert isinstance(ended.outcome, Unanswered)
    assert scripted.count(RESET) == 1
    scripted.script(loses={})
    assert is_on(client, bmc)


@pytest.mark.parametrize(
    "fault", [{"drop": 0.25}, {"duplicate": 1.0}], ids=["lost", "twice"]
)
def test_no_reset_is_carried_out_more_often_than_it_was_asked_for(
    scripted: ScriptedBmc,
    client: IpmiClient,
    tmp_path: Path,
    fault: dict[str, float],
) -> None:
    with Proxies(tmp_path, [scripted.target]) as proxies:
        bmc = as_bmc(proxies[0].target)
        is_on(client, bmc)
        proxies[0].spoil(**fault)
        ended = [call(client, bmc, HARD_RESET, 0.8) for _ in range(8)]
    answered = [one for one in ended if not isinstance(one.outcome, IpmiError)]
    assert len(answered) <= scripted.count(RESET) <= len(ended)


def test_resets_of_ipmi_sim_are_carried_out_once_though_answers_are_lost(
    farm: Farm, client: IpmiClient, tmp_path: Path
) -> None:
    # It carries out a datagram that comes twice, whatever its number: so
    # nothing must be sent twice.
    before = farm[3].journal.count("reset 1")
    with Proxies(tmp_path, [farm[3].target]) as proxies:
        bmc = as_bmc(proxies[0].target)
        is_on(client, bmc)
        proxies[0].spoil(MUTE)
        ended = call(client, bmc, HARD_RESET, 2.5)
        assert isinstance(ended.outcome, Unanswered)
        proxies[0].spoil()
        is_on(client, bmc)
    assert farm[3].journal.count("reset 1") == before + 1


def test_a_controller_that_went_mute_has_carried_it_out(
    many: Farm, proxies: Proxies, client: IpmiClient
) -> None:
    bmc = as_bmc(proxies[1].target)
    client.call(bmc, POWER_UP)
    proxies[1].spoil(MUTE)
    ended = call(client, bmc, POWER_DOWN, 1.0)
    assert isinstance(ended.outcome, IpmiError)
    assert ended.outcome.kind == "unreachable"
    proxies[1].spoil()
    client.call(bmc, POWER_UP)
    assert is_on(client, bmc)
    assert many[1].is_on


def test_another_controller_behind_the_same_address_is_logged_in_to(
    many: Farm, proxies: Proxies, client: IpmiClient
) -> None:
    truth = many.truth()
    on, off = (
        next(n for n in range(COUNT - 1, 0, -1) if truth[n] is wanted)
        for wanted in (True, False)
    )
    bmc = as_bmc(proxies[on].target)
    assert is_on(client, bmc)
    proxies[on].turn_to(many[off].port)
    try:
        ended = call(client, bmc, CHASSIS_STATUS, DEADLINE)
        assert not isinstance(ended.outcome, IpmiError)
        assert ended.seconds < 5
        assert not is_on(client, bmc)
    finally:
        proxies[on].turn_to(many[on].port)


def test_a_key_of_its_own_has_to_be_known(
    scripted: ScriptedBmc, client: IpmiClient
) -> None:
    scripted.script(key="sesame")
    ended = call(client, as_bmc(scripted.target), CHASSIS_STATUS, 3)
    assert isinstance(ended.outcome, IpmiError)
    keyed = as_bmc(scripted.target, key=Secret(b"sesame"))
    assert not is_on(client, keyed, 5)


def test_ipv6_and_names_are_addresses(
    farm: Farm, client: IpmiClient, tmp_path: Path
) -> None:
    with Farm(tmp_path, 1, address="::1") as v6:
        assert is_on(client, v6[0].target)
    assert is_on(client, as_bmc(farm[0].target, address="localhost"))
