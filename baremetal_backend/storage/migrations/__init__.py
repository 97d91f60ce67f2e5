# SPDX-License-Identifier: Apache-2.0
"""How a database of an earlier release becomes one of this release.

A revision is frozen once released: it names its own columns and imports
nothing of ``storage.tables``. ``HEAD`` is the newest; a start that finds it
in the database does not have to load alembic.
"""

HEAD = "0003"
