# SPDX-License-Identifier: Apache-2.0
"""The services that a person's request needs: keystone, glance, neutron.

They start in an order of their own: the catalogue needs a running
keystone, and keystone needs its administrator first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lab.glance import Glance
from lab.keystone import REGION, Keystone
from lab.mariadb import MariaDB
from lab.neutron import Neutron
from lab.processes import Command, Crew
from lab.schemas import Schemas


class Front:
    """Keystone, glance and neutron of a lab."""

    def __init__(
        self, crew: Crew, database: MariaDB, transport_url: str
    ) -> None:
        self.keystone = Keystone(crew, database)
        self.glance = Glance(crew, database, self.keystone)
        self.neutron = Neutron(crew, database, self.keystone, transport_url)
        self._bootstrap: Command | None = None

    def schemas(self) -> list[Callable[[Schemas], None]]:
        """Return what creates the databases, the slowest first."""
        return [
            self.neutron.create_schema,
            self.keystone.create_schema,
            self.glance.create_schema,
        ]

    def begin(self) -> None:
        """Begin to start them; the databases are there."""
        self._bootstrap = self.keystone.begin_bootstrap()
        self.glance.process.start()
        self.neutron.process.start()

    def finish(self, others: Mapping[str, str]) -> None:
        """Wait until they serve, and fill the catalogue.

        :param others: service type to URL, of what else is in the catalogue
        """
        if self._bootstrap is None:
            raise RuntimeError("begin comes before finish")
        self._bootstrap.finish()
        self.keystone.process.start()
        self.keystone.process.wait_ready()
        self.keystone.register(
            {
                "image": self.glance.url,
                "network": self.neutron.url,
                **others,
            }
        )
        self.glance.process.wait_ready()
        self.neutron.process.wait_ready()
        # Neutron 29 cannot list ports before some other query has made
        # SQLAlchemy connect its models.
        list(self.connect().network.networks())

    def connect(self) -> Any:
        """Return openstacksdk's connection of the administrator."""
        import openstack

        return openstack.connect(
            auth=self.keystone.admin_auth(),
            region_name=REGION,
            load_envvars=False,
            load_yaml_config=False,
        )
