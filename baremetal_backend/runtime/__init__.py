# SPDX-License-Identifier: Apache-2.0
"""Every thread of the service, in one place: who starts it, who ends it.

==================== ======= ===========================================
thread               number  purpose
==================== ======= ===========================================
MainThread           1       waits for a signal; reloads
baremetal-beat       1       renews this conductor's record and leases
baremetal-members    1       looks who else is there
baremetal-takeover   1       repairs what conductors left behind
baremetal-timer      1       wakes paused operations
baremetal-<lane>_*   0..size operations on nodes
baremetal-periodic   1       begins periodic tasks when they are due
periodic-<task>      0..n    one run of a periodic task
baremetal-power      1       follows power states (``conductor.power_sync``)
baremetal-power_*    0..n    ask interfaces that block, begin switches
baremetal-ipmi-N     0..1    speaks with all BMCs (``drivers.ipmi.native``)
baremetal-ipmi-watch 0..1    replaces that one when it hangs or dies
baremetal-ipmi-names 0..4    look up BMCs' names
baremetal-console    0..1    serves consoles (``drivers.console_server``)
baremetal-metrics    0..1    shows figures (``metrics``), and its requests
baremetal-call_*     0..n    wait for other conductors
baremetal-notices    0..1    publishes notifications (``publisher``)
api, waitress-*      1+n     HTTP (``api.server``)
==================== ======= ===========================================

``pieces`` says what such a thread is to the process, ``conductor_process``
puts the conductor's together, ``process`` all of them. Pieces start after
what they use, and stop in the reverse order.
"""

from __future__ import annotations

from baremetal_backend.runtime.process import Runtime, Serves

__all__ = ["Runtime", "Serves"]
