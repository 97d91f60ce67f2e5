# SPDX-License-Identifier: Apache-2.0
"""Nova in the test's own process: database, placement, API, computes.

Built of nova's own test fixtures. Every nova-compute gets the settings of its
own host, though nova has one CONF per process; heartbeats and resource tracker
runs happen when the test asks for them, and the partition's clock is the
test's. What the virt driver does is not touched.

One Nova serves many tests: ``reset`` leaves it as if no compute had ever run.
"""

from __future__ import annotations

import dataclasses
import datetime
import functools
import logging
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any
from unittest import mock

import fixtures
from nova import context as nova_context
from nova import exception, objects
from nova.db.main import api as db
from nova.db.main import models
from nova.tests import fixtures as nova_fixtures
from nova.tests.functional import integrated_helpers
from openstack import proxy
from oslo_utils import timeutils, uuidutils
from sqlalchemy import exc as sa_exc

from nova_ironic_partition import conf, launcher
from nova_ironic_partition.driver import CONF, IronicPartitionDriver
from nova_ironic_partition.partition import Partition

#: The settle time of a cloud whose test does not ask for another one.
SETTLE = 60.0
#: Seconds without a heartbeat that make a peer dead; Nova's own default.
DOWN_TIME = 60.0
PLUGIN_LOGGER = "nova_ironic_partition"
BINARY = "nova-compute"
_TABLES = (
    models.ComputeNode,
    models.InstanceExtra,
    models.InstanceInfoCache,
    models.InstanceSystemMetadata,
    models.Instance,
)


_get_endpoint = proxy.Proxy.get_endpoint


def _endpoint_of_bare_metal(service: Any, *args: Any, **kwargs: Any) -> Any:
    if service.service_type == "baremetal":
        return _get_endpoint(service, *args, **kwargs)
    return mock.DEFAULT


class Clock:
    """The partition's monotonic clock, in the test's hand.

    :param tick: what happens whenever time has passed.
    """

    def __init__(self, tick: Callable[[], None]) -> None:
        self.now = 1000.0
        self._tick = tick

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
        self._tick()


@dataclasses.dataclass(frozen=True)
class RowEvent:
    """Something that happened to a compute node row."""

    node: str
    kind: str
    host: str


class RowLog:
    """Writes down each creation, move and removal of compute node rows."""

    def __init__(self) -> None:
        self.events: list[RowEvent] = []

    def clear(self) -> None:
        """Forget what has happened so far."""
        self.events.clear()

    def moves(self) -> Counter[str]:
        """How often the row of each node changed its host."""
        return self._count("moved")

    def creations(self) -> Counter[str]:
        """How often a row was created for each node."""
        return self._count("created")

    def removals(self) -> Counter[str]:
        """How often the row of each node was deleted."""
        return self._count("deleted")

    def _count(self, kind: str) -> Counter[str]:
        return Counter(e.node for e in self.events if e.kind == kind)

    def patches(self) -> list[Any]:
        """Fixtures that watch nova's database functions."""
        return [
            fixtures.MockPatchObject(
                db, name, functools.partial(watch, getattr(db, name))
            )
            for name, watch in (
                ("compute_node_create", self._create),
                ("compute_node_update", self._update),
                ("compute_node_delete", self._delete),
            )
        ]

    def _create(self, real: Any, context: Any, values: Any) -> Any:
        row = real(context, values)
        self._note(row.uuid, "created", row.host)
        return row

    def _update(self, real: Any, context: Any, key: int, values: Any) -> Any:
        before = db.compute_node_get(context, key)["host"]
        row = real(context, key, values)
        if row.host != before:
            self._note(row.uuid, "moved", row.host)
        return row

    def _delete(self, real: Any, context: Any, key: int, **kwargs: Any) -> Any:
        row = db.compute_node_get(context, key)
        result = real(context, key, **kwargs)
        self._note(row["uuid"], "deleted", row["host"])
        return result

    def _note(self, node: str, kind: str, host: str) -> None:
        self.events.append(RowEvent(node, kind, host))


class PluginLog(logging.Handler):
    """Keeps what the plugin logs, per level."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        self._records.append(record)

    def clear(self) -> None:
        """Forget what was logged so far."""
        self._records.clear()

    def at(self, level: int) -> list[str]:
        """The messages of exactly this level."""
        return [r.getMessage() for r in self._records if r.levelno == level]

    @property
    def warnings(self) -> list[str]:
        """The messages of level WARNING."""
        return self.at(logging.WARNING)

    @property
    def errors(self) -> list[str]:
        """The messages of level ERROR."""
        return self.at(logging.ERROR)


class Compute:
    """One nova-compute service."""

    def __init__(self, nova: Nova, service: Any) -> None:
        self._nova = nova
        self.service = service
        self.host: str = service.host
        #: It hangs: time passes without a heartbeat of it.
        self.hangs = False

    @property
    def driver(self) -> IronicPartitionDriver:
        """Its virt driver."""
        return self.service.manager.driver

    @property
    def reported(self) -> set[str]:
        """The nodes that its last sweep reported."""
        snapshot = self.driver.partition.snapshot
        return set(snapshot.nodes) if snapshot else set()

    def run(self) -> None:
        """One run of its resource tracker."""
        self.service.manager.update_available_resource(
            nova_context.get_admin_context()
        )

    def heartbeat(self) -> None:
        """Report to Nova that it lives."""
        self.service.service_ref.report_count += 1
        self.service.service_ref.save()

    def die(self) -> None:
        """Stop it without a farewell, and wait until it counts as down."""
        self._nova.forget(self)
        self._nova.age_heartbeat(self.host)
        for peer in self._nova.running.values():
            peer.driver.partition.observe()
        self._nova.clock.advance(DOWN_TIME)


class _Fixtures(integrated_helpers.ProviderUsageBaseTestCase):
    """Nova's own test case, driven as a fixture instead of as a test."""

    compute_driver = launcher.DRIVER

    def runTest(self) -> None:
        """Never called; unittest asks for its presence."""


class Nova:
    """Everything but the computes runs from its construction to ``close``."""

    def __init__(self) -> None:
        launcher.make_driver_importable()
        self.clock = Clock(self._beat)
        self.rows = RowLog()
        self.log = PluginLog()
        self.settings: dict[str, dict[str, Any]] = {}
        self.running: dict[str, Compute] = {}
        self._services: list[Any] = []
        self._overridden: list[tuple[str, str | None]] = []
        self.case = _Fixtures("runTest")
        # Nova's fixtures look for it in a source tree.
        self.case.flags(
            api_paste_config=f"{sys.prefix}/etc/nova/api-paste.ini",
            group="wsgi",
        )
        self.case.setUp()
        # Nova 34 makes errors of them, but was not written for SQLAlchemy
        # 2.1, which warns of more.
        warnings.simplefilter("ignore", sa_exc.SADeprecationWarning)
        for patch in (*self._driver_patches(), *self.rows.patches()):
            self.case.useFixture(patch)
        self._configure_bare_metal()
        logger = logging.getLogger(PLUGIN_LOGGER)
        logger.addHandler(self.log)
        self.case.addCleanup(logger.removeHandler, self.log)
        self.context = nova_context.get_admin_context()

    def _configure_bare_metal(self) -> None:
        # Nova's fixtures replace the SDK's idea of an endpoint.
        self.case.useFixture(
            fixtures.MockPatchObject(
                proxy.Proxy, "get_endpoint", _endpoint_of_bare_metal
            )
        )
        self.case.flags(
            group="ironic",
            auth_type="none",
            api_max_retries=200,
            api_retry_interval=0,
        )
        self.case.flags(vif_plugging_is_fatal=False, vif_plugging_timeout=0)

    def _driver_patches(self) -> list[Any]:
        return [
            fixtures.MockPatchObject(
                IronicPartitionDriver,
                "load_settings",
                lambda driver, host: self._settings_of(host),
            ),
            fixtures.MonkeyPatch(
                "nova_ironic_partition.driver.Partition",
                functools.partial(Partition, clock=self.clock),
            ),
            # The signal itself is tested on real processes.
            fixtures.MonkeyPatch(
                "nova_ironic_partition.driver.serve_sighup",
                lambda *args: None,
            ),
            fixtures.MockPatchObject(
                CONF, "register_mutate_hook", lambda hook: None
            ),
        ]

    def _settings_of(self, host: str) -> conf.Settings:
        values: dict[str, Any] = {
            "partition_key": None,
            "conductor_group": None,
            "shard": None,
            "peer_list": [],
            "settle_time": SETTLE,
            **self.settings[host.lower()],
        }
        return conf.settings(host=host, **values)

    def configure(self, hosts: Iterable[str], **values: Any) -> None:
        """Write options into the configuration of these hosts."""
        for host in hosts:
            self.settings.setdefault(host.lower(), {}).update(values)

    def override(self, group: str | None, **values: Any) -> None:
        """Set options of nova itself, for all services until ``reset``."""
        for name, value in values.items():
            CONF.set_override(name, value, group)
            self._overridden.append((name, group))

    def start(self, host: str) -> Compute:
        """Start (or restart) a nova-compute; its first sweep is done then."""
        known = objects.Service.get_by_host_and_binary(
            self.context, host, BINARY
        )
        if known is not None:
            self.revive_heartbeat(host)
        self._map(host)
        fixture = nova_fixtures.ServiceFixture(
            "compute",
            host,
            cell=self.case.cell_mappings["cell1"],
            topic_alt=integrated_helpers.compute_rpcapi.RPC_TOPIC_ALT,
        )
        self._services.append(fixture)
        fixture.setUp()
        self.running[host] = compute = Compute(self, fixture.service)
        return compute

    def _map(self, host: str) -> None:
        try:
            objects.HostMapping.get_by_host(self.context, host)
        except exception.HostMappingNotFound:
            objects.HostMapping(
                context=self.context,
                host=host,
                cell_mapping=self.case.cell_mappings["cell1"],
            ).create()

    def forget(self, compute: Compute) -> None:
        """Stop a service; its record and its rows stay."""
        compute.service.stop()
        del self.running[compute.host]

    def run(self, *hosts: str) -> None:
        """Run the resource trackers, in this order; of all by default."""
        for host in hosts or tuple(self.running):
            self.running[host].run()

    def settle(self) -> None:
        """Let all computes see the present members, and then act on them."""
        self.run()
        self.clock.advance(SETTLE)
        self.run()

    def _beat(self) -> None:
        """All that live report so to Nova."""
        for compute in self.running.values():
            if not compute.hangs:
                compute.heartbeat()

    def age_heartbeat(self, host: str, seconds: int = 3600) -> None:
        """Make the last heartbeat of a service that old, by Nova's clock."""
        past = timeutils.utcnow() - datetime.timedelta(seconds=seconds)
        self._write_service(host, last_seen_up=past)

    def revive_heartbeat(self, host: str) -> None:
        """Let a service have reported just now."""
        known = objects.Service.get_by_host_and_binary(
            self.context, host, BINARY
        )
        self._write_service(host, report_count=known.report_count + 1)

    def _write_service(self, host: str, **values: Any) -> None:
        with self._cell() as context:
            service = db.service_get_by_host_and_binary(context, host, BINARY)
            db.service_update(context, service.id, values)

    def set_service(self, host: str, **values: bool) -> None:
        """Set ``disabled`` or ``forced_down``, as the compute API does."""
        service = objects.Service.get_by_host_and_binary(
            self.context, host, BINARY
        )
        for name, value in values.items():
            setattr(service, name, value)
        service.save()

    def place_instance(self, host: str, node: str) -> str:
        """Record an instance of this host on this node; return its uuid.

        Only in Nova's database: what counts for ownership, without a boot.
        """
        (row,) = objects.ComputeNodeList.get_all_by_uuids(self.context, [node])
        instance = objects.Instance(
            self.context,
            uuid=uuidutils.generate_uuid(),
            project_id="project",
            user_id="user",
            host=host,
            node=node,
            compute_id=row.id,
            vm_state="active",
            power_state=1,
            flavor=objects.Flavor.get_by_name(self.context, "m1.tiny"),
            system_metadata={},
        )
        instance.create()
        uuid: str = instance.uuid
        return uuid

    def _cell(self) -> Any:
        return nova_context.target_cell(
            self.context, self.case.cell_mappings["cell1"]
        )

    def owners(self) -> dict[str, str]:
        """Node -> host, by the compute node rows."""
        return {
            row.uuid: row.host
            for row in objects.ComputeNodeList.get_all(self.context)
        }

    def reporters(self) -> dict[str, list[str]]:
        """Node -> the running hosts whose last sweep reported it."""
        found: dict[str, list[str]] = {}
        for host, compute in sorted(self.running.items()):
            for node in compute.reported:
                found.setdefault(node, []).append(host)
        return found

    def providers(self) -> set[str]:
        """The uuids of all resource providers in placement."""
        return {p["uuid"] for p in self.case._get_all_providers()}

    def inventory(self, provider: str) -> dict[str, dict[str, Any]]:
        """Resource class -> inventory, by placement."""
        found: dict[str, dict[str, Any]]
        found = self.case._get_provider_inventory(provider)
        return found

    @property
    def log_text(self) -> str:
        """All that nova has logged since the last reset."""
        text: str = self.case.stdlog.logger.output
        return text

    def reset(self) -> None:
        """End the computes and forget what they left behind."""
        for fixture in self._services:
            fixture.cleanUp()
        self._services.clear()
        self.running.clear()
        self.settings.clear()
        for name, group in self._overridden:
            CONF.clear_override(name, group)
        self._overridden.clear()
        with (
            self._cell() as context,
            db.get_context_manager(context).writer.using(context) as session,
        ):
            for table in _TABLES:
                session.query(table).delete()
            session.query(models.Service).filter_by(binary=BINARY).delete()
        for provider in self.providers():
            self.case.placement.delete(f"/resource_providers/{provider}")
        self.rows.clear()
        self.log.clear()
        self.case.stdlog.delete_stored_logs()

    def close(self) -> None:
        """Stop everything and undo all patches."""
        self.case.doCleanups()
