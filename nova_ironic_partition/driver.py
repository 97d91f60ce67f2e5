# SPDX-License-Identifier: Apache-2.0
"""The virt driver: nova's ironic driver with another idea of ownership.

A table of contents: what decides which nodes this service reports is
overridden and delegated; everything else (spawn, destroy, power, rescue,
consoles, volumes, networks, the provider tree) is nova's own code.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import nova.conf
from nova import context as nova_context
from nova import exception
from nova import utils as nova_utils
from nova.compute import resource_tracker
from nova.virt.ironic import driver as ironic
from oslo_log import log as logging

from nova_ironic_partition import conf as options
from nova_ironic_partition.adapters.baremetal_nodes import (
    PAGE_TIMEOUT,
    BaremetalNodes,
    VersionError,
)
from nova_ironic_partition.adapters.nova_announcements import (
    STATISTIC,
    NovaAnnouncements,
)
from nova_ironic_partition.adapters.nova_claims import NovaClaims
from nova_ironic_partition.adapters.nova_services import NovaServices
from nova_ironic_partition.core.snapshot import Snapshot
from nova_ironic_partition.node_cache import NodeCache
from nova_ironic_partition.partition import Partition
from nova_ironic_partition.ports import InventoryError
from nova_ironic_partition.reload import serve_sighup

LOG = logging.getLogger(__name__)
CONF = nova.conf.CONF

options.register_opts(CONF, nova.conf.ironic.ironic_options)


class IronicPartitionDriver(ironic.IronicDriver):
    """Shares the nodes of one conductor group with its peers.

    Use as ``[DEFAULT]compute_driver =
    ironic_partition.IronicPartitionDriver``.
    """

    def __init__(self, virtapi: Any, read_only: bool = False) -> None:
        self._node_cache = NodeCache()
        super().__init__(virtapi, read_only=read_only)
        self._inventory = BaremetalNodes(
            lambda: self.ironic_connection,
            None if CONF.ironic.timeout else PAGE_TIMEOUT,
        )
        self.partition: Partition

    @property
    def node_cache(self) -> NodeCache:
        """The reported nodes by id, safe to read from any thread."""
        return self._node_cache

    @node_cache.setter
    def node_cache(self, nodes: dict[str, Any]) -> None:
        self._node_cache.replace(nodes)

    def init_host(self, host: str) -> None:
        """Validate the configuration and start to follow it.

        :param host: this service's host.
        :raises InvalidConfiguration: bad options, or a bare metal service
            that is too old.
        """
        settings = self._settings_or_refuse(host)
        self.partition = Partition(
            settings,
            self._inventory,
            NovaServices(self.servicegroup_api.service_is_up),
            NovaClaims(lambda: self.virtapi._compute),
            NovaAnnouncements(),
        )
        self._require_version()
        self._follow_configuration()
        super().init_host(host)

    def get_available_nodes(self, refresh: bool = False) -> list[str]:
        """The uuids of the nodes that this service reports, found anew.

        Not the keys of the node cache: other threads put nodes there that
        are not to be reported.

        :raises VirtDriverNotReady: the Bare Metal API gave no complete
            answer.
        """
        return list(self._sweep(self.partition.sweep_to_report).nodes)

    def get_available_resource(self, nodename: str) -> dict[str, Any]:
        """What the resource tracker writes into the node's row.

        A few rows carry what this service announces to its peers.

        :param nodename: the node's uuid.
        :raises ComputeHostNotFound: another host took the row since the
            sweep; the resource tracker skips the node then.
        """
        holder = self.partition.overtaken(nodename)
        if holder is not None:
            LOG.warning(
                "Node %s was taken over by %s; not taking it back now.",
                nodename,
                holder,
            )
            raise exception.ComputeHostNotFound(host=holder.display)
        resource: dict[str, Any] = super().get_available_resource(nodename)
        announcement = self.partition.announcement(nodename)
        if announcement is not None:
            resource["stats"][STATISTIC] = announcement
        return resource

    def load_settings(self, host: str) -> options.Settings:
        """The settings that the options have now.

        :raises ConfigurationError: bad options.
        """
        return options.load(CONF, host)

    def reload_settings(self) -> None:
        """Put changed options in force, or refuse them as a whole."""
        old = self.partition.settings
        new, refusal = old, None
        try:
            new = self.load_settings(old.me.display)
        except options.ConfigurationError as exc:
            refusal = exc
        if refusal is not None:
            LOG.error(
                "Refusing the changed configuration, the previous one stays "
                "in force. %s",
                refusal,
            )
        if new == old:
            return
        LOG.info("The partition's configuration changed: %s.", new)
        self.partition.apply(new)
        try:
            self._refresh_cache()
        except exception.VirtDriverNotReady:
            return
        except Exception:
            # Nova's database, say. The reload itself has succeeded.
            LOG.exception("The sweep after a changed configuration failed.")

    def _settings_or_refuse(self, host: str) -> options.Settings:
        try:
            return self.load_settings(host)
        except options.ConfigurationError as exc:
            refusal = exc
        raise _refused(refusal)

    def _require_version(self) -> None:
        refusal: VersionError | None = None
        doubt: InventoryError | None = None
        try:
            self._inventory.require(self.partition.settings.scope)
        except VersionError as exc:
            refusal = exc
        except InventoryError as exc:
            doubt = exc
        if refusal is not None:
            raise _refused(refusal)
        if doubt is not None:
            LOG.warning("The Bare Metal API %s; will try again.", doubt)

    def _follow_configuration(self) -> None:
        CONF.register_mutate_hook(lambda conf, fresh: self.reload_settings())
        if nova_utils.concurrency_mode_threading():
            serve_sighup(CONF, self._reset_service)

    @nova_utils.synchronized(
        resource_tracker.COMPUTE_RESOURCE_SEMAPHORE, fair=True
    )
    def _reset_service(self) -> None:
        # Service.reset() of nova, which is out of reach from here. Under the
        # resource tracker's lock, since it empties the cache of providers
        # that an update of a node may be using on another thread.
        self.virtapi._compute.reset()
        nova_context.CELL_CACHE = {}

    def _refresh_hash_ring(self, ctxt: Any) -> None:
        self.partition.observe()

    def _refresh_cache(self) -> None:
        self._sweep(self.partition.sweep)

    def _sweep(self, sweep: Callable[[], Snapshot]) -> Snapshot:
        before = self.partition.snapshot
        try:
            snapshot = sweep()
        except InventoryError as exc:
            failure = exc
        else:
            if snapshot is not before:
                self._node_cache.replace(snapshot.nodes)
                self.node_cache_time = time.time()
            return snapshot
        LOG.error(
            "The Bare Metal API %s; the nodes stay as they were.", failure
        )
        raise exception.VirtDriverNotReady() from failure


# Errors are logged outside of the handlers that catch them: inside, oslo.log
# would add the exception's text to the line once more.
def _refused(reason: Exception) -> exception.InvalidConfiguration:
    LOG.error("Refusing to start. %s", reason)
    return exception.InvalidConfiguration(str(reason))
