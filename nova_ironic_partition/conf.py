# SPDX-License-Identifier: Apache-2.0
"""Options, and the frozen settings that the driver works with.

Declares the options and turns their values into validated :class:`Settings`;
nothing else reads them. A bad configuration is a
:class:`ConfigurationError` that names the option and the fix, at start-up and
at each reload alike.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from oslo_config import cfg

from nova_ironic_partition.core.identity import HostName, PartitionKey
from nova_ironic_partition.core.ring import (
    DEFAULT_POINTS,
    MOST_POINTS,
    NOVA_POINTS,
)
from nova_ironic_partition.core.snapshot import Scope

IRONIC_OPTS = [
    cfg.StrOpt(
        "partition_key",
        mutable=True,
        help="The conductor group whose nodes this service shares with the "
        "other services in [ironic]peer_list; compared case-insensitively. "
        "The empty string is the default conductor group. Unset "
        "([ironic]conductor_group unset, too): no partition; all nodes are "
        "shared by all nova-compute services of hypervisor type ironic.",
    ),
    cfg.StrOpt(
        "conductor_group",
        mutable=True,
        help="Nova's name for [ironic]partition_key. Used when "
        "partition_key is not set.",
    ),
    cfg.ListOpt(
        "peer_list",
        default=[],
        mutable=True,
        help="Hosts of all nova-compute services, this one included, that "
        "share the nodes of [ironic]partition_key. Must be the same on all "
        "of them. Compared case-insensitively. Send SIGHUP to nova-compute "
        "to apply a change. Ignored without a partition key, or when "
        "[ironic]shard is set.",
    ),
]

PARTITION_GROUP = cfg.OptGroup(
    "ironic_partition",
    title="Sharing ironic nodes between nova-compute services",
)

PARTITION_OPTS = [
    cfg.IntOpt(
        "ring_points",
        default=DEFAULT_POINTS,
        min=1,
        max=MOST_POINTS,
        mutable=True,
        help="Positions of each host on the hash ring; must be the same on "
        "all peers. More points spread the nodes more evenly. "
        f"{NOVA_POINTS} gives exactly the mapping of nova's own ironic "
        "driver, so that both can share a partition during a migration.",
    ),
    cfg.FloatOpt(
        "membership_settle_time",
        default=60.0,
        min=0.0,
        mutable=True,
        help="Seconds that the members of the ring must be unchanged before "
        "this service takes nodes while a configured peer is missing, or "
        "nodes that a living peer still holds. Should not be shorter than "
        "the longest interval between two resource tracker runs "
        "([DEFAULT]update_resources_interval).",
    ),
    cfg.IntOpt(
        "shrink_guard_percent",
        default=50,
        min=0,
        max=100,
        mutable=True,
        help="When more than this share of the partition's nodes is missing "
        "from a listing, the previous one stays in force until the next "
        "listing confirms it. 100 turns the guard off.",
    ),
]


class ConfigurationError(Exception):
    """A configuration that must not be put in force.

    :param option: the option at fault, as ``[group]name``.
    :param problem: what is wrong with it.
    :param fix: what to write instead.
    """

    def __init__(self, option: str, problem: str, fix: str) -> None:
        super().__init__(f"{option}: {problem}. {fix}")
        self.option = option
        self.problem = problem
        self.fix = fix


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """A configuration that was found good.

    :param me: this service's host.
    :param scope: which nodes to list.
    :param peers: hosts that may be members of the ring; ``None`` means every
        nova-compute service of hypervisor type ironic.
    :param settle_time: seconds.
    :param down_time: seconds without a heartbeat after which nova calls a
        service down.
    """

    me: HostName
    scope: Scope
    peers: tuple[HostName, ...] | None
    points: int = DEFAULT_POINTS
    settle_time: float = 60.0
    shrink_percent: int = 50
    down_time: float = 60.0


def register_opts(
    conf: cfg.ConfigOpts, registered: Iterable[cfg.Opt] = ()
) -> None:
    """Register the options, beside those that nova has registered.

    Nova's ``peer_list`` is immutable and deprecated, and its
    ``conductor_group`` takes ``partition_key`` for an old name of its own.
    Two options cannot share a key of the file, so nova's are changed to what
    ours are.

    :param registered: nova's options of the group ``ironic``.
    """
    novas = {opt.name: opt for opt in registered}
    for opt in IRONIC_OPTS:
        twin = novas.get(opt.name)
        if twin is None:
            conf.register_opt(opt, group="ironic")
            continue
        twin.mutable = True
        twin.deprecated_for_removal = False
        twin.deprecated_opts.clear()
    conf.register_group(PARTITION_GROUP)
    conf.register_opts(PARTITION_OPTS, group=PARTITION_GROUP)


def list_opts() -> list[tuple[Any, list[cfg.Opt]]]:
    """The entry point of oslo-config-generator."""
    return [("ironic", IRONIC_OPTS), (PARTITION_GROUP, PARTITION_OPTS)]


def load(conf: cfg.ConfigOpts, host: str) -> Settings:
    """Validate the present values of all options together.

    :param host: this service's host, as nova passes it to ``init_host``.
    :raises ConfigurationError: for the first bad option.
    """
    try:
        return settings(
            host=host,
            partition_key=conf.ironic.partition_key,
            conductor_group=conf.ironic.conductor_group,
            shard=conf.ironic.shard,
            peer_list=conf.ironic.peer_list,
            points=conf.ironic_partition.ring_points,
            settle_time=conf.ironic_partition.membership_settle_time,
            shrink_percent=conf.ironic_partition.shrink_guard_percent,
            down_time=conf.service_down_time,
        )
    except cfg.ConfigFileValueError as exc:
        # oslo.config names option, group and file in its text.
        raise ConfigurationError(
            "configuration file", str(exc).rstrip("."), "Correct the value."
        ) from exc


def settings(
    *,
    host: str,
    partition_key: str | None,
    conductor_group: str | None,
    shard: str | None,
    peer_list: list[str],
    points: int = DEFAULT_POINTS,
    settle_time: float = 60.0,
    shrink_percent: int = 50,
    down_time: float = 60.0,
) -> Settings:
    """Build settings from plain values; see :func:`load`.

    :raises ConfigurationError: for the first bad option.
    """
    me = _host("[DEFAULT]host", host)
    key = _key(partition_key, conductor_group)
    return Settings(
        me=me,
        scope=Scope(key, shard),
        peers=_peers(me, key, shard, peer_list),
        points=points,
        settle_time=settle_time,
        shrink_percent=shrink_percent,
        down_time=down_time,
    )


def _host(option: str, value: str) -> HostName:
    try:
        return HostName.configured(value)
    except ValueError as exc:
        raise ConfigurationError(
            option, str(exc), "Use the host of a nova-compute service."
        ) from exc


def _key(
    partition_key: str | None, conductor_group: str | None
) -> PartitionKey | None:
    for option, value in (
        ("[ironic]partition_key", partition_key),
        ("[ironic]conductor_group", conductor_group),
    ):
        if value is None:
            continue
        try:
            key = PartitionKey(value)
        except ValueError as exc:
            raise ConfigurationError(
                option, str(exc), "Use the name of a conductor group."
            ) from exc
        if conductor_group is not None and (
            key.value != conductor_group.lower()
        ):
            raise ConfigurationError(
                option,
                f"{value!r} contradicts [ironic]conductor_group, which is "
                f"{conductor_group!r}",
                "Set one of the two, or both alike.",
            )
        return key
    return None


def _peers(
    me: HostName,
    key: PartitionKey | None,
    shard: str | None,
    peer_list: list[str],
) -> tuple[HostName, ...] | None:
    """Nova's meaning: a shard has one service; no key, no list."""
    if shard:
        return (me,)
    if key is None:
        return None
    option = "[ironic]peer_list"
    if not peer_list:
        raise ConfigurationError(
            option,
            f"is empty although the partition key is set to {key}",
            "List the hosts of all nova-compute services of this partition, "
            f"{me} included.",
        )
    # An empty element is a stray comma at the end, not a host.
    peers = {_host(option, name) for name in peer_list if name}
    if me not in peers:
        raise ConfigurationError(
            option,
            f"does not contain this service's own host {me} (it names "
            f"{', '.join(sorted(p.display for p in peers)) or 'nobody'})",
            f"Add {me}; to take this service out of the partition, disable "
            "or stop it instead.",
        )
    return tuple(sorted(peers))
