# SPDX-License-Identifier: Apache-2.0
"""``baremetal-backend-dbsync``: bring the database up to this release.

Needed before the first start, and after an upgrade, on MariaDB and
PostgreSQL; an SQLite file is brought up at each start anyway.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack

from baremetal_backend.claim import open_database
from baremetal_backend.cmd import start
from baremetal_backend.conf import ConfigurationError
from baremetal_backend.core.errors import StorageUnavailable
from baremetal_backend.storage.migrate import SchemaError, revision, upgrade


def main(argv: Sequence[str] | None = None) -> int:
    """Upgrade, and say from where to where. Returns the exit code."""
    try:
        settings = start.settings(argv)
        with ExitStack() as cleanup:
            database = open_database(settings, cleanup)
            before = upgrade(database)
            after = revision(database)
    except ConfigurationError as error:
        return start.refuse(error)
    except (SchemaError, StorageUnavailable) as error:
        return start.refuse(
            ConfigurationError(f"[database]connection: {error}")
        )
    if before == after:
        print(f"The database is at revision {after} already.")
    else:
        print(f"The database was at {before or 'nothing'}, now at {after}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
