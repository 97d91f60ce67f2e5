# SPDX-License-Identifier: Apache-2.0
"""Glance with a directory as its store."""

from __future__ import annotations

from lab import conf_files, schemas
from lab.keystone import Keystone
from lab.mariadb import MariaDB
from lab.processes import Crew
from lab.programs import data_file, program
from lab.web import WebService

_DATABASE = "glance"


class Glance:
    """The image service of a lab."""

    def __init__(
        self, crew: Crew, database: MariaDB, keystone: Keystone
    ) -> None:
        self._crew = crew
        directory = crew.state_dir / "glance"
        stores = {
            section: {"filesystem_store_datadir": directory / section}
            for section in (
                "disk",
                "os_glance_staging_store",
                "os_glance_tasks_store",
            )
        }
        for options in stores.values():
            options["filesystem_store_datadir"].mkdir(
                parents=True, exist_ok=True
            )
        self._conf = conf_files.write(
            directory / "glance-api.conf",
            {
                "DEFAULT": {
                    "use_stderr": True,
                    "enabled_backends": "disk:file",
                },
                "database": {"connection": database.url(_DATABASE)},
                "keystone_authtoken": keystone.token_validation(),
                "paste_deploy": {
                    "flavor": "keystone",
                    "config_file": data_file("glance", "glance-api-paste.ini"),
                },
                "glance_store": {"default_backend": "disk"},
                "oslo_concurrency": {"lock_path": directory / "locks"},
                **stores,
            },
        )
        self._web = WebService(
            crew,
            "glance",
            "glance.wsgi.api:application",
            {"OS_GLANCE_CONFIG_DIR": str(directory)},
        )
        self.url = self._web.url
        self.process = self._web.process

    def create_schema(self, store: schemas.Schemas) -> None:
        """Create its database."""
        store.create(schemas.key("glance", "1"), [_DATABASE], self._migrate)

    def _migrate(self) -> None:
        self._crew.command(
            "glance-manage",
            [
                program("glance-manage"),
                f"--config-file={self._conf}",
                "db",
                "sync",
            ],
        )
