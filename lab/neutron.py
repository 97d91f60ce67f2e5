# SPDX-License-Identifier: Apache-2.0
"""Neutron's API without agents and networks.

Nova asks neutron for the ports of every server that it shows, also of one
that was created with ``--nic none``: without an answer, showing a server
fails. So this is here to say that there are none.
"""

from __future__ import annotations

from lab import conf_files, schemas
from lab.keystone import Keystone
from lab.mariadb import MariaDB
from lab.processes import Crew
from lab.programs import data_file, program
from lab.web import WebService

_DATABASE = "neutron"


class Neutron:
    """The network service of a lab."""

    def __init__(
        self,
        crew: Crew,
        database: MariaDB,
        keystone: Keystone,
        transport_url: str,
    ) -> None:
        self._crew = crew
        directory = crew.state_dir / "neutron"
        self._conf = conf_files.write(
            directory / "neutron.conf",
            {
                "DEFAULT": {
                    "use_stderr": True,
                    "core_plugin": "ml2",
                    "service_plugins": "",
                    "state_path": directory,
                    "transport_url": transport_url,
                    "auth_strategy": "keystone",
                    "api_paste_config": data_file("neutron", "api-paste.ini"),
                    "notify_nova_on_port_status_changes": False,
                    "notify_nova_on_port_data_changes": False,
                },
                "database": {"connection": database.url(_DATABASE)},
                "keystone_authtoken": keystone.token_validation(),
                "ml2": {
                    "type_drivers": "local",
                    "tenant_network_types": "local",
                    "mechanism_drivers": "",
                },
                "oslo_concurrency": {"lock_path": directory / "locks"},
            },
        )
        self._web = WebService(
            crew,
            "neutron",
            "neutron.wsgi.api:application",
            {
                "OS_NEUTRON_CONFIG_DIR": str(directory),
                "OS_NEUTRON_CONFIG_FILES": self._conf.name,
            },
        )
        self.url = self._web.url
        self.process = self._web.process

    def create_schema(self, store: schemas.Schemas) -> None:
        """Create its database."""
        store.create(schemas.key("neutron", "1"), [_DATABASE], self._migrate)

    def _migrate(self) -> None:
        self._crew.command(
            "neutron-db-manage",
            [
                program("neutron-db-manage"),
                f"--config-file={self._conf}",
                "upgrade",
                "heads",
            ],
        )
