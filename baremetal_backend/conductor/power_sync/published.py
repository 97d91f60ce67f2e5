# SPDX-License-Identifier: Apache-2.0
"""What is known of power states, for operators: how old, how sure, how often.

The age of a node's power state is the time since the hardware was asked for
it with success. Nodes that are not asked (in use, in maintenance, in a state
in which somebody works on them) have no part in the figures of ages.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from baremetal_backend.conductor.parts import Part
from baremetal_backend.conductor.power_sync.roster import Followed, Roster
from baremetal_backend.core.errors import ConductorNotFound
from baremetal_backend.core.figures import Figure, Source
from baremetal_backend.core.power_sync import ACTIONS, COLUMNS, Row, excluded
from baremetal_backend.core.timestamps import timestamp
from baremetal_backend.rpc.interface import ConductorPower, NodePower

# Seconds by which a question may be late before it is called overdue.
_LATE = 1.0

_QUANTILES = (("0.5", 0.5), ("0.99", 0.99), ("1", 1.0))


class PowerReports(Part):
    """The conductor's calls about power states."""

    def node_power(self, node_id: str) -> NodePower:
        """See ``rpc.interface.Conductor``."""
        found = self._context.storage.nodes.row(node_id, COLUMNS)
        row = Row._make(found)
        roster = self._context.power_roster
        return _of_node(row, roster, self._context.clock)

    def conductor_power(self, host: str) -> ConductorPower:
        """See ``rpc.interface.Conductor``."""
        if host != self._context.settings.host:
            raise ConductorNotFound(host)
        return report(self._context.power_roster)


def _of_node(
    row: Row, roster: Roster, clock: Callable[[], float]
) -> NodePower:
    one, now = roster.find(row.uuid), roster.monotonic()
    reason = excluded(row)
    if one is None:
        return NodePower(
            power_state=row.power_state,
            not_polled_because=reason or "its conductor has not seen it yet",
        )
    # Each is replaced at once by the poller: taken once.
    seen, trouble, turn = one.observation, one.trouble, one.turn
    if reason is None and turn.due is None and not one.in_flight:
        reason = "it was not at rest a moment ago, or polling is switched off"
    wall = clock()
    return NodePower(
        power_state=row.power_state,
        observed_state=None if seen is None else seen.state,
        observed_at=(
            None if seen is None else timestamp(wall - (now - seen.at))
        ),
        age=None if seen is None else round(now - seen.at, 3),
        source=None if seen is None else seen.source,
        latency=round(turn.latency, 4) if turn.latency else None,
        consecutive_failures=turn.failures,
        last_error=None if trouble is None else trouble.error,
        error_kind=None if trouble is None else trouble.kind,
        next_poll_at=(
            None
            if turn.due is None or reason is not None
            else timestamp(wall + max(0.0, turn.due - now))
        ),
        not_polled_because=reason,
    )


@dataclass(frozen=True, slots=True)
class _Nodes:
    """A count of the followed nodes."""

    ages: Sequence[float]
    polled: int
    never_seen: int
    failing: int
    overdue: int


def _count(nodes: Iterable[Followed], now: float) -> _Nodes:
    ages = []
    polled = never = failing = overdue = 0
    for one in nodes:
        turn, seen = one.turn, one.observation
        if excluded(one.row) is not None:
            continue
        if turn.due is None and not one.in_flight:
            continue
        polled += 1
        failing += turn.failures > 0
        never += seen is None
        ages.append(now - (one.since if seen is None else seen.at))
        if not one.in_flight and turn.due is not None:
            overdue += now - turn.due > _LATE
    ages.sort()
    return _Nodes(ages, polled, never, failing, overdue)


def report(roster: Roster) -> ConductorPower:
    """All of one conductor's nodes at this moment."""
    nodes, now, counts = roster.all(), roster.monotonic(), roster.counts
    found = _count(nodes, now)
    p50, p99, oldest = (_quantile(found.ages, q) for _, q in _QUANTILES)
    return ConductorPower(
        nodes=len(nodes),
        polled=found.polled,
        never_observed=found.never_seen,
        failing=found.failing,
        overdue=found.overdue,
        in_flight=roster.in_flight,
        age_p50=p50,
        age_p99=p99,
        age_max=oldest,
        polls_per_second=round(counts.rate(now, roster.began), 3),
        polls=counts.asked,
        compared=counts.compared,
        errors=dict(counts.errors),
        actions={name: counts.actions[name] for name in ACTIONS},
        out_of_date=counts.lost,
    )


def _quantile(ages: Sequence[float], part: float) -> float | None:
    """The smallest age that this part of the nodes does not exceed."""
    if not ages:
        return None
    return round(ages[max(0, math.ceil(part * len(ages)) - 1)], 3)


def figures(roster: Roster) -> Source:
    """The same for Prometheus."""

    def source() -> Iterable[Figure]:
        found = report(roster)
        ages = (found.age_p50, found.age_p99, found.age_max)
        yield Figure(
            "power_state_age_seconds",
            "Time since nodes' power states were last read from the hardware.",
            "gauge",
            ("quantile",),
            tuple(
                ((name,), age)
                for (name, _), age in zip(_QUANTILES, ages, strict=True)
                if age is not None
            ),
        )
        for name, meaning, value in (
            ("nodes", "Nodes of this conductor.", found.nodes),
            ("polled_nodes", "Those that are asked.", found.polled),
            (
                "unobserved_nodes",
                "Those that have not answered since the start.",
                found.never_observed,
            ),
            (
                "failing_nodes",
                "Those that did not answer the last question.",
                found.failing,
            ),
            ("overdue_nodes", "Those that wait to be asked.", found.overdue),
            ("polls_in_flight", "Questions under way.", found.in_flight),
        ):
            yield Figure(
                f"power_{name}", meaning, "gauge", (), (((), float(value)),)
            )
        for name, meaning, number in (
            ("polls", "Questions for power states.", found.polls),
            (
                "polls_compared",
                "Answers that were compared with the database.",
                found.compared,
            ),
            (
                "polls_out_of_date",
                "Answers that came when the node had changed.",
                found.out_of_date,
            ),
        ):
            yield Figure(
                f"power_{name}", meaning, "counter", (), (((), float(number)),)
            )
        yield _by("errors", "kind", "Questions unanswered.", found.errors)
        yield _by(
            "actions",
            "action",
            "What was done about states that were not as recorded.",
            found.actions,
        )

    return source


def _by(
    name: str, label: str, meaning: str, values: Mapping[str, int]
) -> Figure:
    return Figure(
        f"power_{name}",
        meaning,
        "counter",
        (label,),
        tuple(((key,), float(n)) for key, n in sorted(values.items())),
    )


__all__ = ["PowerReports", "figures", "report"]
