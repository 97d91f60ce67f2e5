# SPDX-License-Identifier: Apache-2.0
"""What inspections collected."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0003"
down_revision = "0002"

LONG_TEXT = sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")


def upgrade() -> None:
    """Create the table; no node has an inventory yet."""

    op.create_table(
        "node_inventory",
        sa.Column("node_uuid", sa.String(length=36), nullable=False),
        sa.Column("inventory", LONG_TEXT, nullable=False),
        sa.Column("plugin_data", LONG_TEXT, nullable=False),
        sa.ForeignKeyConstraint(
            ["node_uuid"],
            ["nodes.uuid"],
            name=op.f("fk_node_inventory_node_uuid"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("node_uuid", name=op.f("pk_node_inventory")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )
