# SPDX-License-Identifier: Apache-2.0
"""The tables, as they are after all migrations.

JSON is kept as compact text, so that a list can put it into an answer as it
is: decoding and encoding four JSON columns of 1,000 nodes costs more than the
query. Timestamps are text for the same reason (``core.records``). ``id`` is
the order of creation and the key of all paging; nothing outside shows it.
``version`` grows with each write of a row: writers name the one they saw.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from baremetal_backend.core.records import INTERFACES

METADATA = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# MariaDB's TEXT ends at 64 KiB; a config drive alone may have 64 MiB.
LONG_TEXT = sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")

# Marks columns whose text is JSON (``column.info``).
JSON_KEY = "json"

# SQLite numbers rows by itself only where the key is an INTEGER.
ROW_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

INTERFACE_COLUMNS = tuple(f"{kind}_interface" for kind in INTERFACES)


def _json(name: str, empty: str = "{}") -> sa.Column[str]:
    return sa.Column(
        name, LONG_TEXT, nullable=False, default=empty, info={JSON_KEY: True}
    )


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(
        name,
        sa.Boolean(create_constraint=False),
        nullable=False,
        default=False,
    )


def _text(name: str, length: int = 255) -> sa.Column[str]:
    return sa.Column(name, sa.String(length))


def _time(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.String(32))


def _row_columns() -> list[sa.Column]:
    return [
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("uuid", sa.String(36), nullable=False, unique=True),
        sa.Column("version", sa.Integer, nullable=False, default=1),
        _time("created_at"),
        _time("updated_at"),
    ]


def _node_uuid() -> sa.Column[str]:
    return sa.Column(
        "node_uuid",
        sa.String(36),
        sa.ForeignKey("nodes.uuid", ondelete="CASCADE"),
        nullable=False,
        index=True,
    )


CHASSIS = sa.Table(
    "chassis",
    METADATA,
    *_row_columns(),
    _text("description"),
    _json("extra"),
)

NODES = sa.Table(
    "nodes",
    METADATA,
    *_row_columns(),
    sa.Column("name", sa.String(255), unique=True),
    sa.Column("driver", sa.String(255), nullable=False),
    _json("driver_info"),
    _json("driver_internal_info"),
    _json("properties"),
    _json("extra"),
    sa.Column("instance_uuid", sa.String(36), unique=True),
    _text("instance_name"),
    _json("instance_info"),
    _text("resource_class", 80),
    sa.Column("conductor_group", sa.String(255), nullable=False, default=""),
    _text("shard"),
    _text("owner"),
    _text("lessee"),
    sa.Column("description", sa.Text),
    _text("power_state", 15),
    _text("target_power_state", 15),
    sa.Column("provision_state", sa.String(15), nullable=False),
    _text("target_provision_state", 15),
    _time("provision_updated_at"),
    sa.Column("last_error", LONG_TEXT),
    _flag("maintenance"),
    sa.Column("maintenance_reason", sa.Text),
    _text("fault"),
    _text("reservation"),
    # Grows with each lease: tells the present one from all earlier ones.
    sa.Column(
        "lease_token",
        sa.BigInteger,
        nullable=False,
        default=0,
        server_default="0",
    ),
    sa.Column(
        "transition",
        sa.BigInteger,
        nullable=False,
        default=0,
        server_default="0",
    ),
    _flag("console_enabled"),
    _json("traits", "[]"),
    sa.Column("automated_clean", sa.Boolean(create_constraint=False)),
    _flag("protected"),
    sa.Column("protected_reason", sa.Text),
    _flag("retired"),
    sa.Column("retired_reason", sa.Text),
    _flag("disable_power_off"),
    _json("network_data"),
    sa.Column("parent_node", sa.String(36)),
    sa.Column("chassis_uuid", sa.String(36), sa.ForeignKey("chassis.uuid")),
    _text("allocation_uuid", 36),
    _text("boot_mode", 16),
    sa.Column("secure_boot", sa.Boolean(create_constraint=False)),
    _text("health", 32),
    _json("raid_config"),
    _json("target_raid_config"),
    _json("clean_step"),
    _json("deploy_step"),
    _json("service_step"),
    _time("inspection_started_at"),
    _time("inspection_finished_at"),
    *(_text(name) for name in INTERFACE_COLUMNS),
    sa.Index(None, "conductor_group"),
    sa.Index(None, "provision_state"),
    sa.Index(None, "resource_class"),
    sa.Index(None, "shard"),
    sa.Index(None, "owner"),
    sa.Index(None, "lessee"),
    sa.Index(None, "reservation"),
    sa.Index(None, "driver"),
    sa.Index(None, "parent_node"),
    sa.Index(None, "chassis_uuid"),
)

PORTGROUPS = sa.Table(
    "portgroups",
    METADATA,
    *_row_columns(),
    _node_uuid(),
    sa.Column("name", sa.String(255), unique=True),
    sa.Column("address", sa.String(18), unique=True),
    _text("mode"),
    _json("properties"),
    _json("internal_info"),
    _json("extra"),
    _flag("standalone_ports_supported"),
    _text("physical_network", 64),
    _text("category", 80),
)

PORTS = sa.Table(
    "ports",
    METADATA,
    *_row_columns(),
    _node_uuid(),
    sa.Column("address", sa.String(60), nullable=False, unique=True),
    sa.Column("name", sa.String(255), unique=True),
    sa.Column(
        "portgroup_uuid",
        sa.String(36),
        sa.ForeignKey("portgroups.uuid"),
        index=True,
    ),
    _json("local_link_connection"),
    _json("internal_info"),
    _json("extra"),
    _flag("pxe_enabled"),
    _text("physical_network", 64),
    _flag("is_smartnic"),
    _text("description"),
    _text("vendor", 32),
    _text("category", 80),
)

VOLUME_CONNECTORS = sa.Table(
    "volume_connectors",
    METADATA,
    *_row_columns(),
    _node_uuid(),
    sa.Column("type", sa.String(32), nullable=False),
    sa.Column("connector_id", sa.String(255), nullable=False),
    _json("extra"),
    sa.UniqueConstraint("type", "connector_id"),
)

VOLUME_TARGETS = sa.Table(
    "volume_targets",
    METADATA,
    *_row_columns(),
    _node_uuid(),
    sa.Column("volume_type", sa.String(64), nullable=False),
    sa.Column("volume_id", sa.String(36), nullable=False),
    sa.Column("boot_index", sa.Integer, nullable=False),
    _json("properties"),
    _json("extra"),
    sa.UniqueConstraint("node_uuid", "boot_index"),
)

NODE_HISTORY = sa.Table(
    "node_history",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("uuid", sa.String(36), nullable=False, unique=True),
    _node_uuid(),
    sa.Column("severity", sa.String(10), nullable=False),
    sa.Column("event_type", sa.String(32), nullable=False),
    sa.Column("event", LONG_TEXT, nullable=False),
    _text("conductor"),
    _text("user", 64),
    _time("created_at"),
)

NODE_INVENTORY = sa.Table(
    "node_inventory",
    METADATA,
    sa.Column(
        "node_uuid",
        sa.String(36),
        sa.ForeignKey("nodes.uuid", ondelete="CASCADE"),
        primary_key=True,
    ),
    _json("inventory"),
    _json("plugin_data"),
)

LEASES = sa.Table(
    "leases",
    METADATA,
    sa.Column(
        "node_uuid",
        sa.String(36),
        sa.ForeignKey("nodes.uuid", ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("holder", sa.String(255), nullable=False),
    sa.Column("incarnation", sa.String(36), nullable=False, index=True),
    sa.Column("purpose", sa.String(255), nullable=False),
    sa.Column("lane", sa.String(16), nullable=False),
    sa.Column("acquired_at", sa.String(32), nullable=False),
    sa.Column("expires_at", sa.String(32), nullable=False),
    sa.Column("token", sa.BigInteger, nullable=False),
)

CONDUCTORS = sa.Table(
    "conductors",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("host", sa.String(255), nullable=False, unique=True),
    sa.Column("incarnation", sa.String(36), nullable=False),
    sa.Column("conductor_group", sa.String(255), nullable=False),
    _json("hardware_types"),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("beat", sa.BigInteger, nullable=False),
    sa.Column("process", sa.String(255), nullable=False),
    sa.Column("registered_at", sa.String(32), nullable=False),
    sa.Column("renewed_at", sa.String(32), nullable=False),
)

OUTBOX = sa.Table(
    "outbox",
    METADATA,
    sa.Column("id", ROW_NUMBER, primary_key=True, autoincrement=True),
    sa.Column("node_uuid", sa.String(36), nullable=False, index=True),
    sa.Column("conductor", sa.String(255), nullable=False, index=True),
    sa.Column("event_type", sa.String(255), nullable=False),
    sa.Column("severity", sa.String(10), nullable=False),
    _json("payload"),
    sa.Column("created_at", sa.String(32), nullable=False),
)
