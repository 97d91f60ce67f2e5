# SPDX-License-Identifier: Apache-2.0
"""An ironic-inspector that wants to know who asks."""

from __future__ import annotations

import pytest

from lab.inspection.inspector import Account
from tests.backend.running import until
from tests.functional.inspection.conftest import MakePair
from tests.functional.inspection.service import POLL, Pair

ACCOUNT = Account("conductor", "open-sesame")
WRONG = "close-sesame"


@pytest.fixture(scope="module")
def pair(make_pair: MakePair) -> Pair:
    """Ours has the wrong password at first."""
    return make_pair(
        account=ACCOUNT,
        options={
            "discoverd": {
                "auth_type": "http_basic",
                "username": ACCOUNT.username,
                "password": WRONG,
            }
        },
    )


def test_a_wrong_password_is_said_and_the_right_one_is_enough(
    pair: Pair,
) -> None:
    (at_start,) = pair.warnings()
    machine = pair.machine()
    pair.inspect(machine)
    pair.stay([machine], "inspect wait", 3 * POLL)
    assert pair.inspector.status(machine.uuid) is None
    assert pair.warnings() == [at_start]
    pair.restart(discoverd={"password": ACCOUNT.password})
    pair.until_booted(machine)
    pair.report(machine)
    pair.ends_well(machine)
    assert pair.warnings() == [at_start]
    assert pair.inventory(machine).status == 200


def test_a_password_that_is_changed_fails_nothing(pair: Pair) -> None:
    machine = pair.machine()
    pair.begun(machine)
    since = len(pair.log())
    pair.restart(discoverd={"password": WRONG})
    until(lambda: len(pair.warnings(since)) == 1, 10, "a warning")
    pair.stay([machine], "inspect wait", 2 * POLL)
    pair.restart(discoverd={"password": ACCOUNT.password})
    pair.report(machine)
    pair.ends_well(machine)


def test_no_password_is_told_to_anybody(pair: Pair) -> None:
    told = pair.log() + pair.inspector.log_text()
    for password in (WRONG, ACCOUNT.password):
        assert password not in told
