# SPDX-License-Identifier: Apache-2.0
"""The bare metal service as many processes: conductors, APIs, one database.

N ``baremetal-backend-conductor`` and M ``baremetal-backend-api`` share a
RabbitMQ and a PostgreSQL or MariaDB, all private to the lab. Knows how they
are configured and started; what is done to them is for others to say.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from lab import conf_files
from lab.mariadb import MariaDB
from lab.ports import LOOPBACK, free_port
from lab.postgresql import PostgreSQL
from lab.processes import Crew, Process
from lab.programs import program
from lab.rabbitmq import RabbitMQ
from lab.stepped_clock import SteppedClock
from lab.waiting import wait_for
from lab.web import answers

HARDWARE_TYPE = "fake-hardware"
NEWEST = "1.95"

_DATABASE = "baremetal"

Progress = Callable[[str], object]


@dataclass(frozen=True)
class Beats:
    """Seconds: how fast conductors notice each other's death."""

    interval: int = 1
    timeout: int = 5


@dataclass(frozen=True)
class Plan:
    """What a cluster consists of."""

    conductors: tuple[str, ...] = ("conductor-1", "conductor-2", "conductor-3")
    apis: int = 2
    database: Literal["postgresql", "mariadb"] = "postgresql"
    beats: Beats = field(default_factory=Beats)
    options: conf_files.Sections = field(default_factory=dict)


class Api:
    """One API process and how to talk to it."""

    def __init__(self, crew: Crew, name: str, sections: Any) -> None:
        self.port = free_port()
        self.url = f"http://{LOOPBACK}:{self.port}"
        self._proxy: Any = None
        conf = conf_files.write(
            crew.state_dir / "baremetal" / f"{name}.conf",
            conf_files.merge(
                sections,
                {
                    "DEFAULT": {"host": name},
                    "api": {"host_ip": LOOPBACK, "port": self.port},
                },
            ),
        )
        self.process = crew.process(
            name,
            [program("baremetal-backend-api"), f"--config-file={conf}"],
            ready=lambda: answers(self.url + "/v1"),
        )

    @property
    def baremetal(self) -> Any:
        """openstacksdk's bare metal proxy for this process."""
        if self._proxy is None:
            import openstack

            self._proxy = openstack.connect(
                load_envvars=False,
                load_yaml_config=False,
                auth_type="none",
                baremetal_endpoint_override=self.url,
            ).baremetal
        return self._proxy

    def get(self, path: str) -> Any:
        """The document at a path below ``/v1``."""
        return self.baremetal.get(path, microversion=NEWEST).json()

    def nodes(self, *fields: str, query: str = "") -> list[dict[str, Any]]:
        """All nodes with these fields, whatever the number of pages."""
        found: list[dict[str, Any]] = []
        url = f"/nodes?fields={','.join(fields)}{query}"
        while url:
            page = self.get(url)
            found += page["nodes"]
            url = page.get("next", "")
        return found


class BareMetalCluster:
    """A running cluster. A context manager: stopped at the block's end."""

    def __init__(
        self,
        plan: Plan,
        state_dir: Path | None = None,
        progress: Progress = lambda what: None,
    ) -> None:
        self.plan = plan
        self.state_dir = state_dir or Path(tempfile.mkdtemp(prefix="lab-"))
        self.crew = Crew(self.state_dir)
        self._progress = progress
        self.rabbitmq = RabbitMQ(self.crew)
        self.database: PostgreSQL | MariaDB = (
            PostgreSQL(self.crew)
            if plan.database == "postgresql"
            else MariaDB(self.crew)
        )
        self.conductors = {
            host: self.declare(host, host) for host in plan.conductors
        }
        self.apis = [
            Api(self.crew, f"api-{number}", self._sections())
            for number in range(1, plan.apis + 1)
        ]

    def __enter__(self) -> BareMetalCluster:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def api(self) -> Api:
        """One of the API processes."""
        return self.apis[0]

    def declare(
        self, name: str, host: str, clock: SteppedClock | None = None
    ) -> Process:
        """Declare a conductor process, to be started by the caller.

        :param name: of its files; ``host`` may be another's as well
        :param clock: the real one if left out
        """
        conf = conf_files.write(
            self.state_dir / "baremetal" / f"{name}.conf",
            conf_files.merge(
                self._sections(),
                {
                    "DEFAULT": {
                        "host": host,
                        "state_path": self.state_dir / "baremetal" / name,
                    }
                },
            ),
        )
        argv = [program("baremetal-backend-conductor")]
        if clock:
            argv = clock.argv("baremetal_backend.cmd.conductor")
        argv.append(f"--config-file={conf}")
        begun = 0

        def remember() -> None:
            nonlocal begun
            begun = len(process.log_text()) if process.log.exists() else 0

        process = self.crew.process(
            name,
            argv,
            ready=lambda: "ready after" in process.log_text()[begun:],
            env=clock.environment if clock else None,
            before_start=remember,
        )
        return process

    def start(self) -> None:
        """Start everything, and wait until requests are served."""
        self._progress(f"starting RabbitMQ and {self.plan.database}")
        self.rabbitmq.start()
        self.database.start()
        self.database.wait_ready()
        self.database.create(_DATABASE)
        conf = conf_files.write(
            self.state_dir / "baremetal" / "dbsync.conf", self._sections()
        )
        self.crew.command(
            "dbsync",
            [program("baremetal-backend-dbsync"), f"--config-file={conf}"],
        )
        self.rabbitmq.wait_ready()
        self._progress("starting the conductors and the APIs")
        processes = [
            *self.conductors.values(),
            *(api.process for api in self.apis),
        ]
        for process in processes:
            process.start()
        for process in processes:
            process.wait_ready()
        for api in self.apis:
            self.wait_alive(self.plan.conductors, api)

    def leave_data(self) -> Path:
        """Keep the database's files when this process ends; where they are."""
        if isinstance(self.database, PostgreSQL):
            return self.database.leave_running()
        return self.state_dir

    def stop(self) -> None:
        """Stop everything; the state directory stays for its logs."""
        self.crew.stop()

    def alive(self, api: Api | None = None) -> list[str]:
        """Conductors that an API takes for alive."""
        found = (api or self.api).get("/conductors")["conductors"]
        return sorted(one["hostname"] for one in found if one["alive"])

    def wait_alive(
        self, hosts: Sequence[str], api: Api | None = None, seconds: float = 60
    ) -> None:
        """Wait until exactly these conductors are alive in an API's eyes."""
        wait_for(
            lambda: self.alive(api) == sorted(hosts),
            seconds,
            f"life of {', '.join(hosts)}",
        )

    def shares(self) -> Counter[str]:
        """Conductor -> number of nodes; '' for nodes that nobody serves."""
        return Counter(
            node["conductor"] or "" for node in self.api.nodes("conductor")
        )

    def query(self, statement: str) -> list[dict[str, Any]]:
        """Rows of the service's own database."""
        return self.database.query(statement, database=_DATABASE)

    def _sections(self) -> conf_files.Sections:
        return conf_files.merge(
            {
                "DEFAULT": {
                    "auth_strategy": "noauth",
                    "rpc_transport": "oslo",
                    "transport_url": self.rabbitmq.url,
                    "state_path": self.state_dir / "baremetal",
                },
                "database": {"connection": self.database.url(_DATABASE)},
                "conductor": {
                    "heartbeat_interval": self.plan.beats.interval,
                    "heartbeat_timeout": self.plan.beats.timeout,
                },
            },
            self.plan.options,
        )
