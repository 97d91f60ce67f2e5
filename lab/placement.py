# SPDX-License-Identifier: Apache-2.0
"""Placement, without keystone: the token ``admin`` is accepted."""

from __future__ import annotations

from lab import conf_files, schemas
from lab.mariadb import MariaDB
from lab.processes import Crew
from lab.programs import program
from lab.web import WebService, get_json

TOKEN = "admin"

_DATABASE = "placement"


class Placement:
    """The placement service of a lab."""

    def __init__(self, crew: Crew, database: MariaDB) -> None:
        self._crew = crew
        self._conf = conf_files.write(
            crew.state_dir / "placement" / "placement.conf",
            {
                "DEFAULT": {"use_stderr": True},
                "api": {"auth_strategy": "noauth2"},
                "placement_database": {"connection": database.url(_DATABASE)},
            },
        )
        self._web = WebService(
            crew,
            "placement",
            "placement.wsgi:init_application()",
            {"OS_PLACEMENT_CONFIG_DIR": str(self._conf.parent)},
        )
        self.url = self._web.url
        self.process = self._web.process

    def candidates(self, resource_class: str) -> int:
        """How many providers could take one more of a custom class."""
        found = get_json(
            f"{self.url}/allocation_candidates"
            f"?resources=CUSTOM_{resource_class}:1",
            {
                "X-Auth-Token": TOKEN,
                "OpenStack-API-Version": "placement 1.29",
                "Accept": "application/json",
            },
        )
        return len(found["provider_summaries"])

    def create_schema(self, store: schemas.Schemas) -> None:
        """Create its database."""
        store.create(
            schemas.key("openstack-placement", "1"),
            [_DATABASE],
            self._migrate,
        )

    def _migrate(self) -> None:
        self._crew.command(
            "placement-manage",
            [
                program("placement-manage"),
                f"--config-file={self._conf}",
                "db",
                "sync",
            ],
        )
