# SPDX-License-Identifier: Apache-2.0
"""Nova's control plane: shared configuration, databases, services.

Two databases of nova's two kinds, and nova-conductor, always; nova-scheduler
and nova-api where there is a keystone. The computes are in lab.compute.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

from lab import conf_files, placement, schemas
from lab.keystone import Keystone
from lab.mariadb import MariaDB
from lab.ports import LOOPBACK
from lab.processes import CHECKOUT, Crew, Process
from lab.programs import data_file, program
from lab.web import WebService

# Every program of nova runs on native threads, the default of nova 34; some
# of its modules would patch the standard library before they read that.
THREADS = {"OS_NOVA_DISABLE_EVENTLET_PATCHING": "yes"}

# Of the services that are no computes.
_CONTROL_HOST = "control"

_API, _CELL0, _CELL1 = "nova_api", "nova_cell0", "nova_cell1"
# Nova fills these in from its configuration, so that the cells in a stored
# schema fit every run.
_CELL_URL = "{scheme}://{username}:{password}@{hostname}:{port}"
_CELL_DATABASE = _CELL_URL + "/%s?{query}"
_CELL_TRANSPORT = _CELL_URL + "/{path}"


@dataclass(frozen=True)
class Timers:
    """Nova's intervals, in seconds; far below an operator's choice."""

    report: int = 2
    down: int = 12
    resources: int = 5


@dataclass(frozen=True)
class Neighbours:
    """The services that nova talks to; None is one that is not there."""

    transport_url: str
    placement_url: str
    keystone: Keystone | None = None
    glance_url: str | None = None
    neutron_url: str | None = None


class Nova:
    """The nova of a lab, short of its computes."""

    def __init__(
        self,
        crew: Crew,
        database: MariaDB,
        neighbours: Neighbours,
        timers: Timers,
    ) -> None:
        self._crew = crew
        self._database = database
        self.timers = timers
        self.directory = crew.state_dir / "nova"
        self.conf = conf_files.write(
            self.directory / "nova.conf", self._sections(neighbours)
        )
        # Apart, because a nova-compute must not know the databases.
        self._databases_conf = conf_files.write(
            self.directory / "databases.conf",
            {
                "database": {"connection": database.url(_CELL1)},
                "api_database": {"connection": database.url(_API)},
            },
        )
        self.conductor = self._service("conductor")
        self.scheduler = self._service("scheduler")
        paste = data_file("nova", "api-paste.ini")
        self.api = WebService(
            crew,
            "nova-api",
            "nova.wsgi.osapi_compute:application",
            {
                **THREADS,
                "OS_NOVA_CONFIG_DIR": str(self.directory),
                # The first one is taken for the paste configuration.
                "OS_NOVA_CONFIG_FILES": ";".join(
                    [paste, self.conf.name, self._databases_conf.name]
                ),
            },
        )
        self.api_url = self.api.url + "/v2.1"

    def create_schema(self, store: schemas.Schemas) -> None:
        """Create the databases, with one cell in them."""
        store.create(
            schemas.key("nova", "1"),
            [_API, _CELL0, _CELL1],
            self._migrate,
        )

    def discover_hosts(self) -> None:
        """Let the scheduler know of computes that have registered."""
        self._manage("cell_v2", "discover_hosts", "--by-service")

    def order_server(self, name: str, resource_class: str) -> None:
        """Order a server on one node of a class, without nova-api.

        Returns when nova-conductor has the order. It needs the scheduler.
        """
        self._crew.command(
            "server-order",
            [
                *(sys.executable, "-m", "lab.server_order"),
                *(name, resource_class, *self._conf_arguments()),
            ],
            env={"PYTHONPATH": str(CHECKOUT), **THREADS},
        )

    def report_count(self, host: str, binary: str) -> int:
        """How often a service has reported in its life; 0 if never."""
        rows = self.query(
            "SELECT report_count FROM services"
            " WHERE host = %s AND `binary` = %s AND deleted = 0",
            (host, binary),
        )
        return int(rows[0]["report_count"]) if rows else 0

    def query(
        self, statement: str, args: tuple[object, ...] = ()
    ) -> list[dict[str, Any]]:
        """Read from the cell's database."""
        return self._database.query(statement, args, _CELL1)

    def reporting_process(
        self, name: str, host: str, binary: str, argv: list[str]
    ) -> Process:
        """Declare a service that is ready once it reports to the cell."""
        before = [0]

        def ready() -> bool:
            return self.report_count(host, binary) > before[0]

        def about_to_start() -> None:
            before[0] = self.report_count(host, binary)

        return self._crew.process(
            name, argv, ready, THREADS, before_start=about_to_start
        )

    def _service(self, name: str) -> Process:
        return self.reporting_process(
            f"nova-{name}",
            _CONTROL_HOST,
            f"nova-{name}",
            [program(f"nova-{name}"), *self._conf_arguments()],
        )

    def _conf_arguments(self) -> list[str]:
        return [
            f"--config-file={self.conf}",
            f"--config-file={self._databases_conf}",
        ]

    def _sections(self, neighbours: Neighbours) -> conf_files.Sections:
        state = self.directory / "state"
        state.mkdir(parents=True, exist_ok=True)
        sections: dict[str, dict[str, object]] = {
            "DEFAULT": {
                "host": _CONTROL_HOST,
                "my_ip": LOOPBACK,
                "state_path": state,
                "use_stderr": True,
                "concurrency_backend": "threading",
                "transport_url": neighbours.transport_url,
                "report_interval": self.timers.report,
                "service_down_time": self.timers.down,
                "update_resources_interval": self.timers.resources,
                # Or the first run comes up to a minute after the start.
                "periodic_fuzzy_delay": 0,
                # There are no ports that could have changed.
                "heal_instance_info_cache_interval": -1,
                "vif_plugging_is_fatal": False,
                "vif_plugging_timeout": 0,
            },
            "placement": {
                "auth_type": "admin_token",
                "endpoint": neighbours.placement_url,
                "token": placement.TOKEN,
            },
            "conductor": {"workers": 1},
            "scheduler": {
                "workers": 1,
                # discover_hosts on demand: the periodic one eats a core.
                "discover_hosts_in_cells_interval": -1,
            },
            "vnc": {"enabled": False},
            "oslo_concurrency": {"lock_path": state / "locks"},
        }
        if neighbours.keystone is not None:
            sections |= _with_keystone(neighbours, neighbours.keystone)
        return sections

    def _migrate(self) -> None:
        self._manage("api_db", "sync")
        self._manage(
            "cell_v2",
            "map_cell0",
            f"--database_connection={_CELL_DATABASE % _CELL0}",
        )
        self._manage("db", "sync")
        self._manage(
            "cell_v2",
            "create_cell",
            "--name=cell1",
            f"--transport-url={_CELL_TRANSPORT}",
            f"--database_connection={_CELL_DATABASE % _CELL1}",
        )

    def _manage(self, *args: str) -> None:
        self._crew.command(
            "nova-manage",
            [program("nova-manage"), *self._conf_arguments(), *args],
            env=THREADS,
        )


def _with_keystone(
    neighbours: Neighbours, keystone: Keystone
) -> dict[str, dict[str, object]]:
    account = keystone.service_auth()
    return {
        "api": {"auth_strategy": "keystone"},
        "keystone_authtoken": keystone.token_validation(),
        "service_user": {"send_service_user_token": True, **account},
        "glance": {"endpoint_override": neighbours.glance_url, **account},
        "neutron": {"endpoint_override": neighbours.neutron_url, **account},
    }
