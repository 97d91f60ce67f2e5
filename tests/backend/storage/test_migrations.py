# SPDX-License-Identifier: Apache-2.0
"""From every release to this one, on every database, with its rows."""

from __future__ import annotations

import os
import threading

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from baremetal_backend.core.records import NodeFilter
from baremetal_backend.storage import Database, Storage, migrations
from baremetal_backend.storage.migrate import (
    SchemaError,
    require_current,
    revision,
    upgrade,
)
from baremetal_backend.storage.tables import METADATA
from tests.backend.storage.conftest import NOW, uuid_of
from tests.databases.lending import new_database


def scripts() -> Config:
    config = Config()
    config.set_main_option(
        "script_location", os.path.dirname(migrations.__file__)
    )
    return config


REVISIONS = [
    one.revision
    for one in ScriptDirectory.from_config(scripts()).walk_revisions()
]


@pytest.fixture
def database(kind, tmp_path):
    """Without any table."""
    found = Database(new_database(kind, tmp_path))
    yield found
    found.close()


def bring_to(database, wanted):
    config = scripts()
    with database.writing() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, wanted)


# What each release wrote: its tables, with the columns that must be given.
def rows_of_release_0001(connection):
    empty = {"extra": "{}", "version": 1}
    tables = sa.MetaData()
    tables.reflect(connection)

    def insert(table, **values):
        connection.execute(sa.insert(tables.tables[table]), empty | values)

    json = (
        "driver_info driver_internal_info properties instance_info "
        "network_data raid_config target_raid_config clean_step deploy_step "
        "service_step"
    )
    flags = "maintenance console_enabled protected retired disable_power_off"
    insert("chassis", uuid=uuid_of(7), description="größe")
    for number, name, host in ((1, "busy", "one"), (2, "free", None)):
        insert(
            "nodes",
            uuid=uuid_of(number),
            name=name,
            driver="fake-hardware",
            conductor_group="rack",
            provision_state="deploying" if host else "available",
            reservation=host,
            chassis_uuid=uuid_of(7),
            traits='["CUSTOM_A"]',
            **dict.fromkeys(json.split(), '{"a":1}'),
            **dict.fromkeys(flags.split(), False),
        )
    insert(
        "portgroups",
        uuid=uuid_of(21),
        node_uuid=uuid_of(1),
        properties="{}",
        internal_info="{}",
        standalone_ports_supported=True,
    )
    insert(
        "ports",
        uuid=uuid_of(22),
        node_uuid=uuid_of(1),
        portgroup_uuid=uuid_of(21),
        address="52:54:00:00:00:01",
        local_link_connection="{}",
        internal_info="{}",
        pxe_enabled=True,
        is_smartnic=False,
    )
    connection.execute(
        sa.insert(tables.tables["node_history"]),
        {
            "uuid": uuid_of(31),
            "node_uuid": uuid_of(1),
            "severity": "INFO",
            "event_type": "provisioning",
            "event": "began",
        },
    )


def test_a_database_of_release_0001_keeps_all_that_it_has(database):
    bring_to(database, "0001")
    with database.writing() as connection:
        rows_of_release_0001(connection)
    assert upgrade(database) == "0001"
    storage = Storage(database, lambda: NOW)
    busy, free = storage.nodes.get("busy"), storage.nodes.get(uuid_of(2))
    assert (busy.reservation, busy.provision_state) == ("one", "deploying")
    assert (free.reservation, free.properties) == (None, {"a": 1})
    assert busy.traits == ("CUSTOM_A",)
    assert {busy.lease_token, free.lease_token} == {0}
    assert storage.nodes.count(NodeFilter(conductor_group="rack")) == 2
    assert storage.chassis.get(uuid_of(7)).description == "größe"
    assert storage.ports.get(uuid_of(22)).portgroup_uuid == uuid_of(21)
    assert [e.event for e in storage.history.page(busy.uuid)] == ["began"]
    # References still hold, also those to the tables that are new.
    storage.nodes.delete(busy.uuid, busy.version)
    assert storage.ports.page(("uuid",)) == []


@pytest.mark.parametrize("release", [None, *REVISIONS])
def test_each_release_becomes_exactly_the_tables_that_the_code_uses(
    database, release
):
    if release is not None:
        bring_to(database, release)
    upgrade(database)
    with database.reading() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_server_default": False}
        )
        assert compare_metadata(context, METADATA) == []
    assert revision(database) == migrations.HEAD


def described(database):
    """All that SQLite knows of each table, whatever the order."""
    with database.reading() as connection:
        inspector = sa.inspect(connection)
        return {
            name: (
                sorted(map(repr, inspector.get_columns(name))),
                sorted(map(repr, inspector.get_indexes(name))),
                sorted(map(repr, inspector.get_foreign_keys(name))),
                sorted(map(repr, inspector.get_unique_constraints(name))),
                inspector.get_pk_constraint(name),
            )
            for name in inspector.get_table_names()
        }


def test_a_new_sqlite_file_is_made_as_the_revisions_make_it(tmp_path):
    made, brought = (
        Database(f"sqlite:///{tmp_path}/{name}.sqlite")
        for name in ("made", "brought")
    )
    upgrade(made)
    bring_to(brought, "head")
    assert described(made) == described(brought)
    assert "alembic_version" in described(made)
    made.close()
    brought.close()


def test_the_newest_revision_is_the_one_that_starts_look_for():
    script = ScriptDirectory.from_config(scripts())
    assert script.get_current_head() == migrations.HEAD


def test_revisions_import_nothing_that_later_releases_change():
    for one in ScriptDirectory.from_config(scripts()).walk_revisions():
        with open(one.path) as source:
            assert "baremetal_backend" not in source.read(), one.path


def test_an_upgrade_is_done_once(database):
    assert revision(database) is None
    with pytest.raises(SchemaError, match="baremetal-backend-dbsync"):
        require_current(database)
    assert upgrade(database) is None
    assert upgrade(database) == migrations.HEAD
    require_current(database)


def test_upgrades_that_begin_together_end_well(database):
    if database.is_sqlite:
        upgrade(database)  # one process, one thread: nothing to race with
        assert revision(database) == migrations.HEAD
        return
    faults = []
    gate = threading.Barrier(3, timeout=30)

    def start():
        own = Database(database.options)
        try:
            gate.wait()
            upgrade(own)
        except Exception as error:
            faults.append(error)
        finally:
            own.close()

    threads = [threading.Thread(target=start) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert faults == []
    assert revision(database) == migrations.HEAD


def test_a_database_of_a_newer_release_is_refused_and_left_alone(database):
    upgrade(database)
    with database.writing() as connection:
        connection.execute(
            sa.text("UPDATE alembic_version SET version_num = '9999'")
        )
    with pytest.raises(SchemaError, match="9999"):
        upgrade(database)
    assert revision(database) == "9999"


@pytest.mark.parametrize("default", ["latin1", "utf8mb3", "utf8mb4"])
def test_mariadb_tells_names_apart_whatever_its_own_default(tmp_path, default):
    database = Database(new_database("mariadb", tmp_path))
    with database.writing() as connection:
        connection.exec_driver_sql(
            f"ALTER DATABASE `{database.url.database}` CHARACTER SET {default}"
        )
    upgrade(database)
    with database.reading() as connection:
        found = set(
            connection.exec_driver_sql(
                "SELECT collation_name FROM information_schema.columns "
                "WHERE table_schema = database() "
                "AND table_name <> 'alembic_version' "
                "AND collation_name IS NOT NULL"
            ).scalars()
        )
    database.close()
    assert found == {"utf8mb4_bin"}
