# SPDX-License-Identifier: Apache-2.0
"""What the metrics show of the inspection service. Reads only."""

from __future__ import annotations

from collections.abc import Iterator

from baremetal_backend.core.figures import Figure
from baremetal_backend.drivers.discoverd.tally import (
    OUTCOMES,
    REQUESTS,
    Tally,
)


def all_figures(
    tally: Tally | None, troubled: bool, busy: int, due: int
) -> Iterator[Figure]:
    """``tally``: None where the service is not a real one."""
    if tally is not None:
        yield from _requests(tally)
    gauges = {
        "discoverd_trouble": (
            "1 while the inspection service does not answer polls.",
            int(troubled),
        ),
        "discoverd_busy": (
            "Nodes that wait for a request to the inspection service, or "
            "for its answer.",
            busy,
        ),
        "discoverd_due": (
            "Nodes that are looked at again before the next poll.",
            due,
        ),
    }
    for name, (meaning, value) in gauges.items():
        yield Figure(name, meaning, "gauge", (), (((), float(value)),))


def _requests(tally: Tally) -> Iterator[Figure]:
    yield Figure(
        "discoverd_requests",
        "Requests to the inspection service, by how they ended.",
        "counter",
        ("request", "outcome"),
        tuple(
            ((request, outcome), float(tally.ended(request, outcome)))
            for request in REQUESTS
            for outcome in OUTCOMES
        ),
    )
    yield Figure(
        "discoverd_request_seconds",
        "Seconds that requests to the inspection service took.",
        "counter",
        ("request",),
        tuple(((one,), tally.seconds(one)) for one in REQUESTS),
    )


__all__ = ["all_figures"]
