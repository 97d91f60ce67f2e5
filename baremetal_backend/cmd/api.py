# SPDX-License-Identifier: Apache-2.0
"""``baremetal-backend-api``: the API without a conductor.

SIGTERM and SIGINT stop it gracefully, with exit code 0; SIGHUP reads the
configuration again.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from baremetal_backend.cmd import start


def main(argv: Sequence[str] | None = None) -> int:
    """Run until a signal. Returns the exit code."""
    return start.run_one_of_several(argv, "baremetal-backend-api", "API")


if __name__ == "__main__":
    sys.exit(main())
