# SPDX-License-Identifier: Apache-2.0
"""``baremetal-backend``: conductor and API in one process.

SIGTERM and SIGINT stop it gracefully, with exit code 0. Options are read once:
SIGHUP only says so.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from baremetal_backend.cmd import start
from baremetal_backend.conf import ConfigurationError

LOG = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Run until a signal. Returns the exit code."""
    try:
        settings = start.settings(argv)
        from baremetal_backend.runtime import Runtime

        runtime = Runtime(settings)

        def stop(number: int, _frame: FrameType | None) -> None:
            runtime.ask_stop()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        runtime.start()
    except ConfigurationError as error:
        return start.refuse(error)
    runtime.wait()
    if not runtime.stop():
        # Threads that hang in a driver would keep the interpreter for ever.
        logging.shutdown()
        sys.stderr.flush()
        os._exit(0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
