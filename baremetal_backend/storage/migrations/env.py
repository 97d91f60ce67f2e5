# SPDX-License-Identifier: Apache-2.0
"""Alembic's entry: runs revisions on the connection it is handed."""

from alembic import context

from baremetal_backend.storage.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,
)
context.run_migrations()
