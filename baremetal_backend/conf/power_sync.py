# SPDX-License-Identifier: Apache-2.0
"""``[conductor]``: how nodes are switched, and how their state is followed."""

from __future__ import annotations

from dataclasses import dataclass

from oslo_config import cfg

GROUP = "conductor"


@dataclass(frozen=True, slots=True)
class PowerSettings:
    """The part of ``[conductor]`` that is about power. Times: seconds."""

    power_state_change_timeout: int = 60
    #: 0 or less: power states are not followed.
    sync_power_state_interval: int = 60
    sync_power_state_workers: int = 8
    power_state_sync_max_retries: int = 3
    force_power_state_during_sync: bool = True
    #: 0 or less: nodes don't leave a power failure by themselves.
    power_failure_recovery_interval: int = 300
    #: 0: no limit.
    power_polls_per_second: float = 100.0
    power_polls_in_flight: int = 250


def options() -> list[cfg.Opt]:
    """These options of the group."""
    default = PowerSettings()
    return [
        cfg.IntOpt(
            "power_state_change_timeout",
            default=default.power_state_change_timeout,
            min=2,
            mutable=True,
            help="Seconds that a node may take to reach a power state it was "
            "switched to.",
        ),
        cfg.IntOpt(
            "sync_power_state_interval",
            default=default.sync_power_state_interval,
            mutable=True,
            help="Seconds between two questions for a node's power state. "
            "Each node has a time of its own; a slow or failing one is asked "
            "less often. 0 or less: nobody asks.",
        ),
        cfg.IntOpt(
            "sync_power_state_workers",
            default=default.sync_power_state_workers,
            min=1,
            max=1000,
            help="Threads that ask for power states through interfaces that "
            "block. The ipmi power interface needs none of them.",
        ),
        cfg.IntOpt(
            "power_state_sync_max_retries",
            default=default.power_state_sync_max_retries,
            min=0,
            mutable=True,
            help="How often in a row a node's power state may be wrong or "
            "unknown; after that the node is put into maintenance, with its "
            'fault "power failure".',
        ),
        cfg.BoolOpt(
            "force_power_state_during_sync",
            default=default.force_power_state_during_sync,
            mutable=True,
            help="Switch a node back that has another power state than it "
            "was told to have. False: take the state over as it is.",
        ),
        cfg.IntOpt(
            "power_failure_recovery_interval",
            default=default.power_failure_recovery_interval,
            mutable=True,
            help="Seconds between two questions to a node that is in "
            "maintenance because of a power failure; an answer ends the "
            "maintenance. 0 or less switches this off.",
        ),
        cfg.FloatOpt(
            "power_polls_per_second",
            default=default.power_polls_per_second,
            min=0.0,
            mutable=True,
            help="Most questions for power states in a second. With more "
            "nodes than that allows, each is asked less often. 0: no limit.",
        ),
        cfg.IntOpt(
            "power_polls_in_flight",
            default=default.power_polls_in_flight,
            min=1,
            mutable=True,
            help="Most of these questions that wait for their answers at the "
            "same time.",
        ),
    ]


def read(conf: cfg.ConfigOpts) -> PowerSettings:
    """As it was registered."""
    found = conf.conductor
    return PowerSettings(
        power_state_change_timeout=found.power_state_change_timeout,
        sync_power_state_interval=found.sync_power_state_interval,
        sync_power_state_workers=found.sync_power_state_workers,
        power_state_sync_max_retries=found.power_state_sync_max_retries,
        force_power_state_during_sync=found.force_power_state_during_sync,
        power_failure_recovery_interval=found.power_failure_recovery_interval,
        power_polls_per_second=found.power_polls_per_second,
        power_polls_in_flight=found.power_polls_in_flight,
    )
