# SPDX-License-Identifier: Apache-2.0
"""``baremetal-backend-api``: the API without a conductor.

SIGTERM and SIGINT stop it gracefully, with exit code 0; SIGHUP reads the
configuration again.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from baremetal_backend.cmd import start
from baremetal_backend.conf import ConfigurationError


def main(argv: Sequence[str] | None = None) -> int:
    """Run until a signal. Returns the exit code."""
    try:
        found = start.Configuration(argv)
        start.require_messages(found.settings, "baremetal-backend-api")
    except ConfigurationError as error:
        return start.refuse(error)
    from baremetal_backend.runtime import Runtime, Serves

    return start.run(
        Runtime(
            found.settings,
            Serves.API,
            options=found.options,
            reread=found.again,
        )
    )


if __name__ == "__main__":
    sys.exit(main())
