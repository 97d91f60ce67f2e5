# SPDX-License-Identifier: Apache-2.0
"""What the metrics show of the client. Reads only, from any thread."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from baremetal_backend.core.figures import Figure
from baremetal_backend.drivers.ipmi.errors import KINDS
from baremetal_backend.drivers.ipmi.native.pump import Pump

_COUNTERS: Final = {
    "logins": "Sessions that were begun with controllers.",
    "repetitions": "Datagrams that were sent again for want of an answer.",
    "lost_sessions": "Sessions that no longer answered.",
    "rubbish": "Datagrams of controllers that made no sense.",
    "strangers": "Datagrams from addresses that nobody asked.",
    "faults": "Faults of the client itself.",
}


def client_figures(
    pump: Pump, outstanding: int, replaced: int
) -> Iterator[Figure]:
    """All figures of a running client."""
    counts = dict(pump.counts)
    yield Figure(
        "ipmi_commands",
        "Commands to controllers, by how they ended.",
        "counter",
        ("outcome",),
        tuple(
            ((kind,), float(counts.get(kind, 0)))
            for kind in ("answers", *KINDS)
        ),
    )
    for name, meaning in _COUNTERS.items():
        value = float(counts.get(name, 0))
        yield Figure(f"ipmi_{name}", meaning, "counter", (), (((), value),))
    yield Figure(
        "ipmi_threads_replaced",
        "I/O threads that hung or died and were replaced.",
        "counter",
        (),
        (((), float(replaced)),),
    )
    yield from _gauges(pump, outstanding)


def _gauges(pump: Pump, outstanding: int) -> Iterator[Figure]:
    controllers = list(pump.controllers.values())
    now = pump.now()
    circuits = [
        link.circuit for one in controllers for link in list(one.links)
    ]
    values = {
        "ipmi_outstanding": ("Commands that have not ended yet.", outstanding),
        "ipmi_controllers": ("Controllers that are known.", len(controllers)),
        "ipmi_sessions": (
            "Sessions that are open.",
            sum(one.open_sessions for one in controllers),
        ),
        "ipmi_circuits_open": (
            "Controllers that background work leaves alone for a while.",
            sum(not circuit.admits(now) for circuit in circuits),
        ),
    }
    for name, (meaning, value) in values.items():
        yield Figure(name, meaning, "gauge", (), (((), float(value)),))


__all__ = ["client_figures"]
