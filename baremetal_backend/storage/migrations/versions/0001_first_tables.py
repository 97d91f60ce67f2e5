# SPDX-License-Identifier: Apache-2.0
"""The tables of the first release."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None

LONG_TEXT = sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")


def upgrade() -> None:
    """Create all tables."""

    op.create_table(
        "chassis",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.String(length=32), nullable=True),
        sa.Column("updated_at", sa.String(length=32), nullable=True),
        sa.Column("description", sa.String(length=255), nullable=True),
        sa.Column("extra", LONG_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chassis")),
        sa.UniqueConstraint("uuid", name=op.f("uq_chassis_uuid")),
    )
    op.create_table(
        "nodes",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.String(length=32), nullable=True),
        sa.Column("updated_at", sa.String(length=32), nullable=True),
        sa.Column("name", sa.String(length=255), nullable=True),
        sa.Column("driver", sa.String(length=255), nullable=False),
        sa.Column("driver_info", LONG_TEXT, nullable=False),
        sa.Column("driver_internal_info", LONG_TEXT, nullable=False),
        sa.Column("properties", LONG_TEXT, nullable=False),
        sa.Column("extra", LONG_TEXT, nullable=False),
        sa.Column("instance_uuid", sa.String(length=36), nullable=True),
        sa.Column("instance_name", sa.String(length=255), nullable=True),
        sa.Column("instance_info", LONG_TEXT, nullable=False),
        sa.Column("resource_class", sa.String(length=80), nullable=True),
        sa.Column("conductor_group", sa.String(length=255), nullable=False),
        sa.Column("shard", sa.String(length=255), nullable=True),
        sa.Column("owner", sa.String(length=255), nullable=True),
        sa.Column("lessee", sa.String(length=255), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("power_state", sa.String(length=15), nullable=True),
        sa.Column("target_power_state", sa.String(length=15), nullable=True),
        sa.Column("provision_state", sa.String(length=15), nullable=False),
        sa.Column(
            "target_provision_state", sa.String(length=15), nullable=True
        ),
        sa.Column("provision_updated_at", sa.String(length=32), nullable=True),
        sa.Column("last_error", LONG_TEXT, nullable=True),
        sa.Column("maintenance", sa.Boolean(), nullable=False),
        sa.Column("maintenance_reason", sa.Text(), nullable=True),
        sa.Column("fault", sa.String(length=255), nullable=True),
        sa.Column("reservation", sa.String(length=255), nullable=True),
        sa.Column("console_enabled", sa.Boolean(), nullable=False),
        sa.Column("traits", LONG_TEXT, nullable=False),
        sa.Column("automated_clean", sa.Boolean(), nullable=True),
        sa.Column("protected", sa.Boolean(), nullable=False),
        sa.Column("protected_reason", sa.Text(), nullable=True),
        sa.Column("retired", sa.Boolean(), nullable=False),
        sa.Column("retired_reason", sa.Text(), nullable=True),
        sa.Column("disable_power_off", sa.Boolean(), nullable=False),
        sa.Column("network_data", LONG_TEXT, nullable=False),
        sa.Column("parent_node", sa.String(length=36), nullable=True),
        sa.Column("chassis_uuid", sa.String(length=36), nullable=True),
        sa.Column("allocation_uuid", sa.String(length=36), nullable=True),
        sa.Column("boot_mode", sa.String(length=16), nullable=True),
        sa.Column("secure_boot", sa.Boolean(), nullable=True),
        sa.Column("health", sa.String(length=32), nullable=True),
        sa.Column("raid_config", LONG_TEXT, nullable=False),
        sa.Column("target_raid_config", LONG_TEXT, nullable=False),
        sa.Column("clean_step", LONG_TEXT, nullable=False),
        sa.Column("deploy_step", LONG_TEXT, nullable=False),
        sa.Column("service_step", LONG_TEXT, nullable=False),
        sa.Column(
            "inspection_started_at", sa.String(length=32), nullable=True
        ),
        sa.Column(
            "inspection_finished_at", sa.String(length=32), nullable=True
        ),
        sa.Column("bios_interface", sa.String(length=255), nullable=True),
        sa.Column("boot_interface", sa.String(length=255), nullable=True),
        sa.Column("console_interface", sa.String(length=255), nullable=True),
        sa.Column("deploy_interface", sa.String(length=255), nullable=True),
        sa.Column("firmware_interface", sa.String(length=255), nullable=True),
        sa.Column("inspect_interface", sa.String(length=255), nullable=True),
        sa.Column(
            "management_interface", sa.String(length=255), nullable=True
        ),
        sa.Column("network_interface", sa.String(length=255), nullable=True),
        sa.Column("power_interface", sa.String(length=255), nullable=True),
        sa.Column("raid_interface", sa.String(length=255), nullable=True),
        sa.Column("rescue_interface", sa.String(length=255), nullable=True),
        sa.Column("storage_interface", sa.String(length=255), nullable=True),
        sa.Column("vendor_interface", sa.String(length=255), nullable=True),
        sa.ForeignKeyConstraint(
            ["chassis_uuid"],
            ["chassis.uuid"],
            name=op.f("fk_nodes_chassis_uuid"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_nodes")),
        sa.UniqueConstraint(
            "instance_uuid", name=op.f("uq_nodes_instance_uuid")
        ),
        sa.UniqueConstraint("name", name=op.f("uq_nodes_name")),
        sa.UniqueConstraint("uuid", name=op.f("uq_nodes_uuid")),
    )
    op.create_index(
        op.f("ix_nodes_chassis_uuid"), "nodes", ["chassis_uuid"], unique=False
    )
    op.create_index(
        op.f("ix_nodes_conductor_group"),
        "nodes",
        ["conductor_group"],
        unique=False,
    )
    op.create_index(op.f("ix_nodes_driver"), "nodes", ["driver"], unique=False)
    op.create_index(op.f("ix_nodes_lessee"), "nodes", ["lessee"], unique=False)
    op.create_index(op.f("ix_nodes_owner"), "nodes", ["owner"], unique=False)
    op.create_index(
        op.f("ix_nodes_parent_node"), "nodes", ["parent_node"], unique=False
    )
    op.create_index(
        op.f("ix_nodes_provision_state"),
        "nodes",
        ["provision_state"],
        unique=False,
    )
    op.create_index(
        op.f("ix_nodes_reservation"), "nodes", ["reservation"], unique=False
    )
    op.create_index(
        op.f("ix_nodes_resource_class"),
        "nodes",
        ["resource_class"],
        unique=False,
    )
    op.create_index(op.f("ix_nodes_shard"), "nodes", ["shard"], unique=False)
    op.create_table(
        "node_history",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("node_uuid", sa.String(length=36), nullable=False),
        sa.Column("severity", sa.String(length=10), nullable=False),
        sa.Column("event_type", sa.String(length=32), nullable=False),
        sa.Column("event", LONG_TEXT, nullable=False),
        sa.Column("conductor", sa.String(length=255), nullable=True),
        sa.Column("user", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.String(length=32), nullable=True),
        sa.ForeignKeyConstraint(
            ["node_uuid"],
            ["nodes.uuid"],
            name=op.f("fk_node_history_node_uuid"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_node_history")),
        sa.UniqueConstraint("uuid", name=op.f("uq_node_history_uuid")),
    )
    op.create_index(
        op.f("ix_node_history_node_uuid"),
        "node_history",
        ["node_uuid"],
        unique=False,
    )
    op.create_table(
        "portgroups",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.String(length=32), nullable=True),
        sa.Column("updated_at", sa.String(length=32), nullable=True),
        sa.Column("node_uuid", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=True),
        sa.Column("address", sa.String(length=18), nullable=True),
        sa.Column("mode", sa.String(length=255), nullable=True),
        sa.Column("properties", LONG_TEXT, nullable=False),
        sa.Column("internal_info", LONG_TEXT, nullable=False),
        sa.Column("extra", LONG_TEXT, nullable=False),
        sa.Column("standalone_ports_supported", sa.Boolean(), nullable=False),
        sa.Column("physical_network", sa.String(length=64), nullable=True),
        sa.Column("category", sa.String(length=80), nullable=True),
        sa.ForeignKeyConstraint(
            ["node_uuid"],
            ["nodes.uuid"],
            name=op.f("fk_portgroups_node_uuid"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_portgroups")),
        sa.UniqueConstraint("address", name=op.f("uq_portgroups_address")),
        sa.UniqueConstraint("name", name=op.f("uq_portgroups_name")),
        sa.UniqueConstraint("uuid", name=op.f("uq_portgroups_uuid")),
    )
    op.create_index(
        op.f("ix_portgroups_node_uuid"),
        "portgroups",
        ["node_uuid"],
        unique=False,
    )
    op.create_table(
        "volume_connectors",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.String(length=32), nullable=True),
        sa.Column("updated_at", sa.String(length=32), nullable=True),
        sa.Column("node_uuid", sa.String(length=36), nullable=False),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("connector_id", sa.String(length=255), nullable=False),
        sa.Column("extra", LONG_TEXT, nullable=False),
        sa.ForeignKeyConstraint(
            ["node_uuid"],
            ["nodes.uuid"],
            name=op.f("fk_volume_connectors_node_uuid"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_volume_connectors")),
        sa.UniqueConstraint(
            "type",
            "connector_id",
            name=op.f("uq_volume_connectors_type_connector_id"),
        ),
        sa.UniqueConstraint("uuid", name=op.f("uq_volume_connectors_uuid")),
    )
    op.create_index(
        op.f("ix_volume_connectors_node_uuid"),
        "volume_connectors",
        ["node_uuid"],
        unique=False,
    )
    op.create_table(
        "volume_targets",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.String(length=32), nullable=True),
        sa.Column("updated_at", sa.String(length=32), nullable=True),
        sa.Column("node_uuid", sa.String(length=36), nullable=False),
        sa.Column("volume_type", sa.String(length=64), nullable=False),
        sa.Column("volume_id", sa.String(length=36), nullable=False),
        sa.Column("boot_index", sa.Integer(), nullable=False),
        sa.Column("properties", LONG_TEXT, nullable=False),
        sa.Column("extra", LONG_TEXT, nullable=False),
        sa.ForeignKeyConstraint(
            ["node_uuid"],
            ["nodes.uuid"],
            name=op.f("fk_volume_targets_node_uuid"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_volume_targets")),
        sa.UniqueConstraint(
            "node_uuid",
            "boot_index",
            name=op.f("uq_volume_targets_node_uuid_boot_index"),
        ),
        sa.UniqueConstraint("uuid", name=op.f("uq_volume_targets_uuid")),
    )
    op.create_index(
        op.f("ix_volume_targets_node_uuid"),
        "volume_targets",
        ["node_uuid"],
        unique=False,
    )
    op.create_table(
        "ports",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.String(length=32), nullable=True),
        sa.Column("updated_at", sa.String(length=32), nullable=True),
        sa.Column("node_uuid", sa.String(length=36), nullable=False),
        sa.Column("address", sa.String(length=60), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=True),
        sa.Column("portgroup_uuid", sa.String(length=36), nullable=True),
        sa.Column("local_link_connection", LONG_TEXT, nullable=False),
        sa.Column("internal_info", LONG_TEXT, nullable=False),
        sa.Column("extra", LONG_TEXT, nullable=False),
        sa.Column("pxe_enabled", sa.Boolean(), nullable=False),
        sa.Column("physical_network", sa.String(length=64), nullable=True),
        sa.Column("is_smartnic", sa.Boolean(), nullable=False),
        sa.Column("description", sa.String(length=255), nullable=True),
        sa.Column("vendor", sa.String(length=32), nullable=True),
        sa.Column("category", sa.String(length=80), nullable=True),
        sa.ForeignKeyConstraint(
            ["node_uuid"],
            ["nodes.uuid"],
            name=op.f("fk_ports_node_uuid"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["portgroup_uuid"],
            ["portgroups.uuid"],
            name=op.f("fk_ports_portgroup_uuid"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ports")),
        sa.UniqueConstraint("address", name=op.f("uq_ports_address")),
        sa.UniqueConstraint("name", name=op.f("uq_ports_name")),
        sa.UniqueConstraint("uuid", name=op.f("uq_ports_uuid")),
    )
    op.create_index(
        op.f("ix_ports_node_uuid"), "ports", ["node_uuid"], unique=False
    )
    op.create_index(
        op.f("ix_ports_portgroup_uuid"),
        "ports",
        ["portgroup_uuid"],
        unique=False,
    )
