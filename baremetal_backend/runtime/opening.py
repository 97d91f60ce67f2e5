# SPDX-License-Identifier: Apache-2.0
"""The way to the database, as a process takes it at its start."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack

from baremetal_backend.claim import open_database
from baremetal_backend.conf.settings import ConfigurationError, Settings
from baremetal_backend.core.errors import StorageUnavailable
from baremetal_backend.core.notices import Severity
from baremetal_backend.storage import Storage
from baremetal_backend.storage.migrate import (
    SchemaError,
    require_current,
    upgrade,
)
from baremetal_backend.storage.outbox import Announcing


def open_storage(
    settings: Settings,
    cleanup: ExitStack,
    clock: Callable[[], float] = time.time,
) -> Storage:
    """Open the database; an SQLite file as the only process that may.

    An SQLite file is brought up to this release; any other database has to
    be up already. Errors: ConfigurationError.
    """
    database = open_database(settings, cleanup)
    try:
        if database.is_sqlite:
            upgrade(database)
        else:
            require_current(database)
    except (SchemaError, StorageUnavailable) as error:
        raise ConfigurationError(f"[database]connection: {error}") from error
    announcing = None
    if settings.notification_level is not None:
        least = Severity[settings.notification_level.upper()]
        announcing = Announcing(settings.host, least)
    storage = Storage(database, clock, announcing)
    cleanup.callback(storage.close)
    return storage
