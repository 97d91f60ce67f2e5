# SPDX-License-Identifier: Apache-2.0
"""Keystone: the accounts and the service catalogue of a lab."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from pathlib import Path

from lab import conf_files, schemas
from lab.mariadb import MariaDB
from lab.processes import Command, Crew
from lab.programs import program
from lab.web import WebService

REGION = "RegionOne"
SERVICE_USER = "lab-services"
SERVICE_PROJECT = "service"

_DATABASE = "keystone"


class Keystone:
    """The identity service of a lab."""

    def __init__(self, crew: Crew, database: MariaDB) -> None:
        self.admin_password = secrets.token_hex(8)
        self._service_password = secrets.token_hex(8)
        self._crew = crew
        self._directory = directory = crew.state_dir / "keystone"
        self._conf = conf_files.write(
            directory / "keystone.conf",
            {
                "DEFAULT": {"use_stderr": True},
                "database": {"connection": database.url(_DATABASE)},
                "token": {"provider": "fernet", "expiration": 86400},
                **{
                    section: {"key_repository": directory / "fernet"}
                    for section in (
                        "fernet_tokens",
                        "fernet_receipts",
                        "credential",
                    )
                },
                # Four rounds are enough for passwords that live an hour.
                "identity": {"password_hash_rounds": 4},
            },
        )
        self._web = WebService(
            crew,
            "keystone",
            "keystone.wsgi.api:application",
            {"OS_KEYSTONE_CONFIG_DIR": str(directory)},
        )
        self.url = self._web.url + "/v3"
        self.process = self._web.process

    def create_schema(self, store: schemas.Schemas) -> None:
        """Create its database."""
        store.create(
            schemas.key("keystone", "1"),
            [_DATABASE],
            self._migrate,
        )

    def _migrate(self) -> None:
        self._begin("db_sync").finish()

    def begin_bootstrap(self) -> Command:
        """Create the keys, and begin to create the administrator."""
        _write_fernet_keys(self._directory / "fernet")
        return self._begin(
            "bootstrap",
            f"--bootstrap-password={self.admin_password}",
            f"--bootstrap-region-id={REGION}",
            f"--bootstrap-public-url={self.url}",
            f"--bootstrap-internal-url={self.url}",
            f"--bootstrap-admin-url={self.url}",
        )

    def admin_auth(self) -> dict[str, str]:
        """Return the administrator's credentials for an SDK."""
        return _auth(self.url, "admin", self.admin_password, "admin")

    def service_auth(self) -> dict[str, object]:
        """Return the options of a section that logs in as the services."""
        return {
            "auth_type": "password",
            "region_name": REGION,
            **_auth(
                self.url,
                SERVICE_USER,
                self._service_password,
                SERVICE_PROJECT,
            ),
        }

    def token_validation(self) -> dict[str, object]:
        """Return the options of ``[keystone_authtoken]``."""
        return {
            **self.service_auth(),
            "www_authenticate_uri": self.url,
            "service_token_roles_required": True,
        }

    def register(self, endpoints: Mapping[str, str]) -> None:
        """Create the services' account and the catalogue.

        :param endpoints: service type to URL
        """
        import openstack

        with openstack.connect(
            auth=self.admin_auth(), region_name=REGION, load_envvars=False
        ) as cloud:
            identity = cloud.identity
            project = identity.create_project(
                name=SERVICE_PROJECT, domain_id="default"
            )
            user = identity.create_user(
                name=SERVICE_USER,
                password=self._service_password,
                domain_id="default",
            )
            for role in identity.roles():
                if role.name in {"admin", "service"}:
                    identity.assign_project_role_to_user(project, user, role)
            for kind, url in endpoints.items():
                service = identity.create_service(name=kind, type=kind)
                identity.create_endpoint(
                    service_id=service.id,
                    interface="public",
                    region_id=REGION,
                    url=url,
                )

    def _begin(self, *args: str) -> Command:
        return self._crew.begin(
            "keystone-manage",
            [program("keystone-manage"), f"--config-file={self._conf}", *args],
        )


def _write_fernet_keys(directory: Path) -> None:
    # A key a file: 0 is the next one, the highest number signs.
    directory.mkdir(mode=0o700, exist_ok=True)
    for number in range(2):
        key = base64.urlsafe_b64encode(secrets.token_bytes(32))
        (directory / str(number)).write_bytes(key)


def _auth(url: str, user: str, password: str, project: str) -> dict[str, str]:
    return {
        "auth_url": url,
        "username": user,
        "password": password,
        "project_name": project,
        "user_domain_name": "Default",
        "project_domain_name": "Default",
    }
