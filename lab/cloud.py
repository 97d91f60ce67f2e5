# SPDX-License-Identifier: Apache-2.0
"""Composes the services of a lab into a cloud.

``Plan`` says what is wanted, ``Cloud`` has it. Without the API: RabbitMQ,
MariaDB, placement, nova-conductor, the bare metal service, N computes. With
it: keystone, glance, neutron, nova-scheduler and nova-api as well.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from lab import conf_files
from lab.backend import RESOURCE_CLASS, Backend
from lab.compute import PLUGIN, Compute, Flavour, Partition
from lab.front import Front
from lab.invariants import World
from lab.mariadb import MariaDB
from lab.nova import Neighbours, Nova, Timers
from lab.placement import Placement
from lab.processes import Crew
from lab.rabbitmq import RabbitMQ
from lab.schemas import Schemas, default_cache

Progress = Callable[[str], object]


@dataclass(frozen=True)
class Plan:
    """What a cloud consists of."""

    hosts: tuple[str, ...] = ("c1", "c2", "c3")
    partition_key: str | None = "rack-a"
    with_api: bool = False
    flavour: Flavour = PLUGIN
    timers: Timers = field(default_factory=Timers)
    settle_seconds: int = 5
    compute_options: conf_files.Sections = field(default_factory=dict)
    backend_options: conf_files.Sections = field(default_factory=dict)


@dataclass(frozen=True)
class ComputeService:
    """A nova-compute service as nova's database shows it."""

    host: str
    disabled: bool
    forced_down: bool
    report_count: int
    seconds_since_report: float
    down_after: float

    @property
    def is_up(self) -> bool:
        """Whether nova takes it for alive."""
        return (
            not self.forced_down
            and self.seconds_since_report <= self.down_after
        )

    @property
    def state(self) -> str:
        """Two or three words for a table."""
        words = ["up" if self.is_up else "down"]
        if self.forced_down:
            words.append("forced")
        if self.disabled:
            words.append("disabled")
        return ", ".join(words)


class Cloud:
    """A running lab. A context manager: stopped at the end of the block."""

    def __init__(
        self,
        plan: Plan,
        state_dir: Path | None = None,
        cache: Path | None = None,
        progress: Progress = lambda what: None,
    ) -> None:
        self.plan = plan
        self.state_dir = state_dir or Path(tempfile.mkdtemp(prefix="lab-"))
        self.crew = Crew(self.state_dir)
        self._progress = progress
        self.rabbitmq = RabbitMQ(self.crew)
        self.mariadb = MariaDB(self.crew)
        self._schemas = Schemas(self.mariadb, cache or default_cache())
        self.placement = Placement(self.crew, self.mariadb)
        self.backend = Backend(self.crew, plan.backend_options)
        self.front: Front | None = None
        if plan.with_api:
            self.front = Front(self.crew, self.mariadb, self.rabbitmq.url)
        self.nova = Nova(
            self.crew, self.mariadb, self._neighbours(), plan.timers
        )
        self._computes = {
            host: self._declare(host, plan.flavour) for host in plan.hosts
        }

    def __enter__(self) -> Cloud:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start everything but the computes, and wait until it serves."""
        self._progress("starting RabbitMQ and MariaDB")
        self.rabbitmq.start()
        self.mariadb.start()
        self.mariadb.wait_ready()
        self._progress("creating the databases")
        self._create_schemas()
        if self.front:
            self.front.begin()
        self._progress("starting placement, the bare metal service and nova")
        self.placement.process.start()
        self.backend.process.start()
        self.rabbitmq.wait_ready()
        self.nova.conductor.start()
        if self.front:
            self.nova.scheduler.start()
            self.nova.api.process.start()
        self.placement.process.wait_ready()
        self.backend.process.wait_ready()
        self.nova.conductor.wait_ready()
        if self.front:
            self.front.finish(
                {
                    "compute": self.nova.api_url,
                    "placement": self.placement.url,
                    "baremetal": self.backend.url,
                }
            )
            self.nova.scheduler.wait_ready()
            self.nova.api.process.wait_ready()

    def start_computes(self, *hosts: str) -> None:
        """Start computes (all of the plan if none is named), and wait.

        Without names, the scheduler gets to know them as well.
        """
        chosen = [self.compute(host) for host in hosts or self.plan.hosts]
        for compute in chosen:
            compute.start()
        for compute in chosen:
            compute.wait_ready()
        if self.front and not hosts:
            self.nova.discover_hosts()

    def stop(self) -> None:
        """Stop everything; the state directory stays for its logs."""
        self.crew.stop()

    def compute(self, host: str) -> Compute:
        """Return a compute of the plan, or one that was added."""
        return self._computes[host]

    def add_compute(self, host: str, flavour: Flavour = PLUGIN) -> Compute:
        """Declare one more compute; its configuration file is written."""
        self._computes[host] = self._declare(host, flavour)
        return self._computes[host]

    def enrol_nodes(
        self,
        count: int,
        conductor_group: str,
        resource_class: str = RESOURCE_CLASS,
    ) -> list[str]:
        """Create available nodes in the bare metal service."""
        return self.backend.enrol(count, conductor_group, resource_class)

    def owners(self) -> dict[str, str]:
        """Return node uuid -> host, as nova's database has it."""
        return dict(self.compute_node_rows())

    def compute_node_rows(self) -> list[tuple[str, str]]:
        """Return (node uuid, host) of each record that nova has."""
        rows = self.nova.query(
            "SELECT hypervisor_hostname, host FROM compute_nodes"
            " WHERE deleted = 0 ORDER BY id"
        )
        return [(row["hypervisor_hostname"], row["host"]) for row in rows]

    def server_hosts(self) -> dict[str, str]:
        """Return node uuid -> host of the server that lives on it."""
        rows = self.nova.query(
            "SELECT node, host FROM instances"
            " WHERE deleted = 0 AND node IS NOT NULL"
        )
        return {row["node"]: row["host"] for row in rows}

    def world(self) -> World:
        """Return what the invariants are about, as it is now."""
        # The servers first: one that appears meanwhile is seen on a node
        # that is not free any more, not on one whose host is unknown.
        server_hosts = self.server_hosts()
        return World(
            nodes=tuple(self.backend.nodes()),
            rows=tuple(self.compute_node_rows()),
            server_hosts=server_hosts,
        )

    def services(self) -> dict[str, ComputeService]:
        """Return host -> nova-compute service, as nova's database has it."""
        rows = self.nova.query(
            "SELECT host, disabled, forced_down, report_count,"
            " TIMESTAMPDIFF(MICROSECOND,"
            "   COALESCE(last_seen_up, created_at), UTC_TIMESTAMP(6))"
            "   / 1000000 AS age"
            " FROM services WHERE deleted = 0 AND `binary` = 'nova-compute'"
        )
        return {
            row["host"]: ComputeService(
                host=row["host"],
                disabled=bool(row["disabled"]),
                forced_down=bool(row["forced_down"]),
                report_count=row["report_count"],
                seconds_since_report=float(row["age"]),
                down_after=self.plan.timers.down,
            )
            for row in rows
        }

    def state_of(self, host: str) -> str:
        """What nova says of a compute, and whether its process runs."""
        service = self.services().get(host)
        if service is None:
            return "not started"
        gone = not self.compute(host).process.is_running
        return service.state + (", not running" if gone else "")

    def _create_schemas(self) -> None:
        parts: list[Callable[[Schemas], None]] = [
            self.nova.create_schema,
            self.placement.create_schema,
        ]
        if self.front:
            parts += self.front.schemas()
        with ThreadPoolExecutor(2, thread_name_prefix="schema") as pool:
            for done in [pool.submit(part, self._schemas) for part in parts]:
                done.result()

    def _neighbours(self) -> Neighbours:
        front = self.front
        return Neighbours(
            transport_url=self.rabbitmq.url,
            placement_url=self.placement.url,
            keystone=front.keystone if front else None,
            glance_url=front.glance.url if front else None,
            neutron_url=front.neutron.url if front else None,
        )

    def _declare(self, host: str, flavour: Flavour) -> Compute:
        plan = self.plan
        return Compute(
            self.nova,
            host,
            self.backend.url,
            Partition(plan.partition_key, plan.hosts),
            flavour=flavour,
            extra=conf_files.merge(
                {
                    "ironic_partition": {
                        "membership_settle_time": plan.settle_seconds
                    }
                },
                plan.compute_options,
            ),
        )
