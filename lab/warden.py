# SPDX-License-Identifier: Apache-2.0
"""Stops a lab's processes once the program that started them is gone.

``python -m lab.warden DIR`` waits at the end of a pipe from that program.
"dismissed" ends it; the end of the pipe without it means that the program
was killed, and the warden stops what it left behind. ``stop`` is also what
``./tools/demo --stop DIR`` does.
"""

from __future__ import annotations

import sys
from pathlib import Path

from lab import running


def stop(state_dir: Path) -> int:
    """Stop the processes of the run that is recorded in a directory.

    :returns: how many processes were found
    :raises running.NotALab: nothing is recorded there
    :raises RuntimeError: some process survived SIGKILL
    """
    run = running.recorded(state_dir)
    found = len(running.processes_of(run))
    left = running.end(run)
    if left:
        raise RuntimeError(f"cannot be stopped: {left}")
    return found


def main() -> None:
    """Wait for the word or for the end of standard input."""
    if b"dismissed" not in sys.stdin.buffer.read():
        stop(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
