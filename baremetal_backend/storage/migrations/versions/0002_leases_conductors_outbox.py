# SPDX-License-Identifier: Apache-2.0
"""Leases, registered conductors, and what is still to be announced."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0002"
down_revision = "0001"

LONG_TEXT = sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
# SQLite numbers rows by itself only where the key is an INTEGER.
ROW_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


# MariaDB's own choice takes "Node" and "node" for the same name, unlike the
# other databases, and may not have all characters.
CHARACTERS: dict[str, Any] = {
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
}

FIRST_TABLES = (
    "chassis",
    "nodes",
    "node_history",
    "portgroups",
    "volume_connectors",
    "volume_targets",
    "ports",
)


# Table, column, table that it refers to, what a deletion there does here.
REFERENCES = (
    ("nodes", "chassis_uuid", "chassis", None),
    ("node_history", "node_uuid", "nodes", "CASCADE"),
    ("portgroups", "node_uuid", "nodes", "CASCADE"),
    ("volume_connectors", "node_uuid", "nodes", "CASCADE"),
    ("volume_targets", "node_uuid", "nodes", "CASCADE"),
    ("ports", "node_uuid", "nodes", "CASCADE"),
    ("ports", "portgroup_uuid", "portgroups", None),
)


def tell_names_apart() -> None:
    """Give MariaDB's first tables the characters of all later ones."""
    # A column that is part of a reference can't be converted.
    for table, column, _, _ in REFERENCES:
        op.drop_constraint(f"fk_{table}_{column}", table, type_="foreignkey")
    for table in FIRST_TABLES:
        op.execute(
            f"ALTER TABLE {table} CONVERT TO CHARACTER SET utf8mb4 "
            "COLLATE utf8mb4_bin"
        )
    for table, column, target, on_delete in REFERENCES:
        op.create_foreign_key(
            f"fk_{table}_{column}",
            table,
            target,
            [column],
            ["uuid"],
            ondelete=on_delete,
        )


def upgrade() -> None:
    """Create the tables; a node that is reserved keeps its reservation."""

    if op.get_bind().dialect.name == "mysql":
        tell_names_apart()
    op.add_column(
        "nodes",
        sa.Column(
            "lease_token",
            sa.BigInteger(),
            nullable=False,
            server_default="0",
        ),
    )
    op.add_column(
        "nodes",
        sa.Column(
            "transition",
            sa.BigInteger(),
            nullable=False,
            server_default="0",
        ),
    )
    op.create_table(
        "leases",
        sa.Column("node_uuid", sa.String(length=36), nullable=False),
        sa.Column("holder", sa.String(length=255), nullable=False),
        sa.Column("incarnation", sa.String(length=36), nullable=False),
        sa.Column("purpose", sa.String(length=255), nullable=False),
        sa.Column("lane", sa.String(length=16), nullable=False),
        sa.Column("acquired_at", sa.String(length=32), nullable=False),
        sa.Column("expires_at", sa.String(length=32), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["node_uuid"],
            ["nodes.uuid"],
            name=op.f("fk_leases_node_uuid"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("node_uuid", name=op.f("pk_leases")),
        **CHARACTERS,
    )
    op.create_index(
        op.f("ix_leases_incarnation"), "leases", ["incarnation"], unique=False
    )
    op.create_table(
        "conductors",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("incarnation", sa.String(length=36), nullable=False),
        sa.Column("conductor_group", sa.String(length=255), nullable=False),
        sa.Column("hardware_types", LONG_TEXT, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("beat", sa.BigInteger(), nullable=False),
        sa.Column("process", sa.String(length=255), nullable=False),
        sa.Column("registered_at", sa.String(length=32), nullable=False),
        sa.Column("renewed_at", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conductors")),
        sa.UniqueConstraint("host", name=op.f("uq_conductors_host")),
        **CHARACTERS,
    )
    op.create_table(
        "outbox",
        sa.Column("id", ROW_NUMBER, autoincrement=True, nullable=False),
        sa.Column("node_uuid", sa.String(length=36), nullable=False),
        sa.Column("conductor", sa.String(length=255), nullable=False),
        sa.Column("event_type", sa.String(length=255), nullable=False),
        sa.Column("severity", sa.String(length=10), nullable=False),
        sa.Column("payload", LONG_TEXT, nullable=False),
        sa.Column("created_at", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        **CHARACTERS,
    )
    op.create_index(
        op.f("ix_outbox_conductor"), "outbox", ["conductor"], unique=False
    )
    op.create_index(
        op.f("ix_outbox_node_uuid"), "outbox", ["node_uuid"], unique=False
    )
