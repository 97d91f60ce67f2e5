# SPDX-License-Identifier: Apache-2.0
"""What follows from a power state that was read: decided without effects.

A node is told to be on or off; its record says so. What the hardware says is
an observation of the moment at which it was asked. The two are compared with
the node's row as it was at that moment (``Row``), and whatever is written
names that row: whatever was written in between makes it worthless.

=====================  ======================================================
the hardware says      what becomes of it
=====================  ======================================================
what the record says   nothing
something, and the     the record takes it over (``adopt``)
record says nothing
something else         switched back to what the record says (``force``,
                       ``[conductor]force_power_state_during_sync``), or taken
                       over (``take over``)
something else or      maintenance, with the fault "power failure"
nothing, for too long  (``give up``)
anything, after a      the node leaves maintenance, with the state that it
power failure          has (``recover``)
=====================  ======================================================

"Too long" is more than ``[conductor]power_state_sync_max_retries`` regular
questions in a row (``Standing``). What is asked beside, to confirm a failure
or after a user's action, does not count: a controller that is away for half a
minute must not put its node into maintenance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from baremetal_backend.core.records import Node
from baremetal_backend.core.states import ENROLL, STATES, Kind

#: The fault of a node in maintenance whose power state is not known.
POWER_FAILURE = "power failure"

# Two failures that count are at least this part of an interval apart.
_APART = 0.5

# Nobody works on these nodes, and none is to be expected to.
_FOLLOWED = frozenset(
    name
    for name, row in STATES.items()
    if row.kind in (Kind.REST, Kind.FAILED) and name != ENROLL
)


class Row(NamedTuple):
    """What is read of a node before it is asked, and compared afterwards."""

    uuid: str
    driver: str
    conductor_group: str
    version: int
    lease_token: int
    reservation: str | None
    power_interface: str | None
    power_state: str | None
    target_power_state: str | None
    provision_state: str
    maintenance: bool
    fault: str | None
    disable_power_off: bool

    @property
    def faulty(self) -> bool:
        """Whether it is in maintenance because of a power failure."""
        return self.maintenance and self.fault == POWER_FAILURE

    def is_still(self, node: Node) -> bool:
        """Whether nobody wrote the node since then.

        Each write counts, for an operation, another address of a controller
        and a new description look alike from here, and to ask once more is
        cheap.
        """
        return node.version == self.version and node.reservation is None


#: Columns that a ``Row`` is made of.
COLUMNS = Row._fields


def excluded(row: Row) -> str | None:
    """Why this node is not asked now; None: it is."""
    if row.power_interface is None:
        return "it has no power interface"
    if row.provision_state not in _FOLLOWED:
        return f'it is "{row.provision_state}"'
    if row.reservation is not None:
        return f"it is used by {row.reservation}"
    if row.target_power_state is not None:
        return f'it is on the way to "{row.target_power_state}"'
    if row.maintenance and not row.faulty:
        return "it is in maintenance"
    return None


@dataclass(frozen=True, slots=True)
class Policy:
    """The options."""

    #: Switch a node back that is not as it was told to be.
    force: bool = True
    #: How often in a row it may be wrong or unknown.
    max_retries: int = 3
    #: Seconds between two regular questions.
    interval: float = 60.0


@dataclass(frozen=True, slots=True)
class Standing:
    """How often in a row a node's state was wrong or unknown."""

    strikes: int = 0
    #: Monotonic seconds of the last time that counted.
    struck_at: float | None = None


Action = Literal[
    "nothing", "adopt", "take over", "force", "give up", "recover"
]

#: All that is counted.
ACTIONS: tuple[Action, ...] = (
    "adopt",
    "take over",
    "force",
    "give up",
    "recover",
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do, and the sentence for log and history."""

    action: Action
    standing: Standing
    reason: str = ""
    #: What to write; nothing for ``force``.
    changes: Mapping[str, Any] = field(default_factory=dict)
    #: What to switch the node to, for ``force``.
    goal: str | None = None

    @property
    def failed(self) -> bool:
        """Whether it tells of something bad."""
        return self.action == "give up"


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of a question, and when it was asked."""

    #: None: there was no answer.
    state: str | None
    #: Monotonic seconds; what the state was since then, nobody knows.
    asked_at: float
    error: str | None = None
    #: Whether a failure is known not to be a single lost packet.
    confirmed: bool = False


def is_settled(row: Row, state: str | None, standing: Standing) -> bool:
    """Whether ``judge`` has nothing to say, and nothing to remember.

    So it is nearly always: this is what most questions cost.
    """
    return (
        state is not None
        and state == row.power_state
        and not standing.strikes
        and not row.faulty
    )


def judge(
    row: Row,
    reading: Reading,
    standing: Standing,
    policy: Policy,
) -> Verdict:
    """Decide about one answer, or the lack of one.

    ``row``: the node as it was when it was asked; it was not excluded then.
    """
    if row.faulty:
        return _after_a_fault(row, reading, standing)
    state = reading.state
    if state is None:
        return _unknown(row, reading, standing, policy)
    if row.power_state is None:
        return Verdict(
            "adopt",
            Standing(),
            f'power state is "{state}"',
            {"power_state": state},
        )
    if state == row.power_state:
        # The time stays: a state that comes and goes is not acted on more
        # often than one that stays away.
        return Verdict("nothing", Standing(0, standing.struck_at))
    return _wrong(row, reading, state, standing, policy)


def _after_a_fault(row: Row, reading: Reading, standing: Standing) -> Verdict:
    state = reading.state
    if state is None:
        return Verdict("nothing", standing)
    return Verdict(
        "recover",
        Standing(),
        f'power state is known again: "{state}"; taken out of maintenance',
        {
            "power_state": state,
            "maintenance": False,
            "maintenance_reason": None,
            "fault": None,
        },
    )


def _unknown(
    row: Row,
    reading: Reading,
    standing: Standing,
    policy: Policy,
) -> Verdict:
    struck = _struck(standing, reading.asked_at, policy.interval)
    if struck.strikes <= policy.max_retries or not reading.confirmed:
        return Verdict("nothing", struck)
    was = f' (it was "{row.power_state}")' if row.power_state else ""
    sentence = (
        f"The power state could not be read {struck.strikes} times in a row"
        f"{was}: {reading.error or 'no answer'}"
    )
    return _given_up(struck, sentence, None)


def _wrong(
    row: Row,
    reading: Reading,
    state: str,
    standing: Standing,
    policy: Policy,
) -> Verdict:
    may_not = row.disable_power_off and row.power_state == "power off"
    if not policy.force or may_not:
        return Verdict(
            "take over",
            Standing(),
            f'power state is "{state}" and was "{row.power_state}"; nobody '
            "here switched it, the record follows",
            {"power_state": state},
        )
    struck = _struck(standing, reading.asked_at, policy.interval)
    if struck.strikes > policy.max_retries:
        sentence = (
            f'The power state is "{state}" and shall be "{row.power_state}"; '
            f"to switch it back did not last {policy.max_retries} times"
        )
        return _given_up(struck, sentence, state)
    if struck == standing:
        return Verdict("nothing", standing)
    return Verdict(
        "force",
        struck,
        f'power state is "{state}" and shall be "{row.power_state}"; '
        "switched back",
        goal=row.power_state,
    )


def _given_up(struck: Standing, sentence: str, state: str | None) -> Verdict:
    return Verdict(
        "give up",
        Standing(),
        f"{sentence}; put into maintenance",
        {
            "power_state": state,
            "maintenance": True,
            "maintenance_reason": sentence,
            "fault": POWER_FAILURE,
            "last_error": sentence,
        },
    )


def _struck(standing: Standing, now: float, interval: float) -> Standing:
    last = standing.struck_at
    if last is not None and now - last < _APART * interval:
        return standing
    return Standing(standing.strikes + 1, now)


def forgiven(standing: Standing) -> Standing:
    """Nothing could be done about it: it does not count."""
    return Standing(max(0, standing.strikes - 1), None)


__all__ = [
    "ACTIONS",
    "COLUMNS",
    "POWER_FAILURE",
    "Action",
    "Policy",
    "Reading",
    "Row",
    "Standing",
    "Verdict",
    "excluded",
    "forgiven",
    "is_settled",
    "judge",
]
