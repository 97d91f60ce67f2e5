# SPDX-License-Identifier: Apache-2.0
"""``[conductor]``: how operations on nodes are carried out."""

from __future__ import annotations

from oslo_config import cfg, types

GROUP = "conductor"

_CALLBACKS = (
    ("inspect_wait_timeout", "inspect wait"),
    ("deploy_callback_timeout", "wait call-back"),
    ("clean_callback_timeout", "clean wait"),
    ("rescue_callback_timeout", "rescue wait"),
    ("service_callback_timeout", "service wait"),
)

_PRIORITIES = (
    ("clean", "Automated cleaning leaves out a step with priority 0."),
    ("deploy", "A deployment leaves out a step with priority 0."),
    ("verify", "The first contact leaves out a step with priority 0."),
)


def options() -> list[cfg.Opt]:
    """The options of this group."""
    return [
        cfg.IntOpt(
            "workers_pool_size",
            default=100,
            min=3,
            max=1000,
            help="Provisioning operations that may need a thread at the same "
            "time. When all are busy, a further request is answered with 503 "
            "and the node stays as it is.",
        ),
        cfg.IntOpt(
            "operator_workers",
            default=20,
            min=1,
            max=1000,
            help="The same for what clients ask of single nodes: power, "
            "VIFs, boot devices and the like. They never wait for "
            "provisioning.",
        ),
        cfg.IntOpt(
            "background_workers",
            default=16,
            min=1,
            max=1000,
            help="The same for what nobody asked for: periodic work on "
            "nodes, takeovers.",
        ),
        cfg.IntOpt(
            "background_shed_above",
            default=80,
            min=1,
            max=100,
            help="Percentage of busy workers, of operators or of "
            "provisioning, above which no background work begins.",
        ),
        cfg.FloatOpt(
            "background_lease_limit",
            default=15.0,
            min=0.0,
            help="Seconds for which background work may keep a client's "
            "request waiting for a node; then it loses the node, and what it "
            "writes is refused. A request is never answered with 409 because "
            "of background work.",
        ),
        cfg.FloatOpt(
            "stalled_work_timeout",
            default=3600.0,
            min=1.0,
            help="Seconds after which an operation that neither pauses nor "
            "saves anything is taken for hanging: its node fails and is "
            "given back, and whatever the operation writes later is refused.",
        ),
        cfg.StrOpt(
            "conductor_group",
            default="",
            help="Group of this conductor; it serves the nodes of the same "
            "group. With rpc_transport=none, it serves all groups.",
        ),
        cfg.FloatOpt(
            "heartbeat_interval",
            default=10.0,
            min=0.1,
            help="Seconds between two renewals of this conductor's record. "
            "The same for all conductors of one database.",
        ),
        cfg.FloatOpt(
            "heartbeat_timeout",
            default=60.0,
            min=0.5,
            help="Seconds after which a conductor that did not renew its "
            "record is declared gone, and its nodes are taken over. After "
            "half of it, a conductor that can't renew its record takes "
            "nothing new. At least three times heartbeat_interval; the same "
            "for all processes of one database.",
        ),
        cfg.BoolOpt(
            "automated_clean",
            default=True,
            mutable=True,
            help="Clean a node before it becomes available, unless the "
            "node's own automated_clean says otherwise.",
        ),
        cfg.IntOpt(
            "node_locked_retry_attempts",
            default=3,
            mutable=True,
            min=0,
            help="How often a request tries again to get a node that another "
            "operation is using, before it is answered with 409.",
        ),
        cfg.FloatOpt(
            "node_locked_retry_interval",
            default=1.0,
            mutable=True,
            min=0.0,
            help="Seconds between two of these attempts; a node that becomes "
            "free in between is taken at once.",
        ),
        cfg.IntOpt(
            "soft_power_off_timeout",
            default=600,
            mutable=True,
            min=1,
            help="Seconds that an operating system has to shut down when it "
            "is asked to.",
        ),
        cfg.BoolOpt(
            "allow_deleting_available_nodes",
            default=True,
            mutable=True,
            help="Allow a node to be deleted while it is available.",
        ),
        *(
            cfg.MultiOpt(
                f"{kind}_step_priority_override",
                item_type=types.Dict(),
                default={},
                help=f"Priorities of {kind} steps that replace those of the "
                f"hardware interfaces: interface.step:priority. {zero} Can "
                "be given several times.",
            )
            for kind, zero in _PRIORITIES
        ),
        cfg.IntOpt(
            "periodic_max_workers",
            default=8,
            min=1,
            mutable=True,
            help="Periodic tasks of the conductor itself that run at the same "
            "time. Drivers' parallel tasks are not counted.",
        ),
        cfg.IntOpt(
            "check_provision_state_interval",
            default=60,
            mutable=True,
            help="Seconds between two looks at nodes that wait for something "
            "outside. 0 or less switches the timeouts of all waiting states "
            "off.",
        ),
        *(
            cfg.IntOpt(
                name,
                default=1800,
                min=0,
                mutable=True,
                help=f'Seconds that a node may be in the state "{state}" '
                "before it fails. 0: as long as it takes.",
            )
            for name, state in _CALLBACKS
        ),
        cfg.IntOpt(
            "node_history_max_entries",
            default=300,
            min=0,
            mutable=True,
            help="Events that are kept of each node, the newest. 0: all.",
        ),
        cfg.IntOpt(
            "node_history_cleanup_interval",
            default=86400,
            mutable=True,
            help="Seconds between two removals of older events. 0 or less "
            "switches them off.",
        ),
        cfg.IntOpt(
            "node_history_cleanup_batch_count",
            default=1000,
            min=1,
            mutable=True,
            help="Events that one transaction removes.",
        ),
        cfg.IntOpt(
            "node_history_minimum_days",
            default=0,
            min=0,
            mutable=True,
            help="Days that an event is kept, however many there are.",
        ),
    ]
