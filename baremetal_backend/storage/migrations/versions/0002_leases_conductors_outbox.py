# SPDX-License-Identifier: Apache-2.0
"""Leases, registered conductors, and what is still to be announced."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0002"
down_revision = "0001"

LONG_TEXT = sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
# SQLite numbers rows by itself only where the key is an INTEGER.
ROW_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the tables; a node that is reserved keeps its reservation."""

    op.add_column(
        "nodes",
        sa.Column(
            "lease_token",
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
    )
    op.create_index(
        op.f("ix_outbox_node_uuid"), "outbox", ["node_uuid"], unique=False
    )
