# SPDX-License-Identifier: Apache-2.0
"""Serve a WSGI application with waitress: the web server of the lab.

``python -m lab.wsgi_server PORT MODULE:NAME`` or ``MODULE:NAME()`` when
NAME makes the application. Ends on SIGTERM. Run as a module, never as a
file: this directory holds a nova.py.
"""

from __future__ import annotations

import importlib
import signal
import sys
from types import FrameType

THREADS = 6


def main() -> None:
    """Load the application that the command line names and serve it."""
    port, target = sys.argv[1], sys.argv[2]
    # The applications would parse a command line that is not theirs.
    sys.argv[1:] = []
    module_name, _, name = target.partition(":")
    # Before the server: nova patches the standard library, if it does.
    module = importlib.import_module(module_name)
    application = getattr(module, name.removesuffix("()"))
    if name.endswith("()"):
        application = application()

    import waitress

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, leave)
    waitress.serve(application, listen=f"127.0.0.1:{port}", threads=THREADS)


if __name__ == "__main__":
    main()
