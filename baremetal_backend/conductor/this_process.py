# SPDX-License-Identifier: Apache-2.0
"""What the kernel says of this process and of its neighbours."""

from __future__ import annotations

import os
from pathlib import Path

from baremetal_backend.core.processes import ProcessIdentity

_PROC = Path("/proc")


def this_process() -> ProcessIdentity:
    """The identity of the process that asks."""
    return ProcessIdentity(
        boot=(_PROC / "sys/kernel/random/boot_id").read_text().strip(),
        # Such as pid:[4026531836].
        namespace=os.readlink(_PROC / "self/ns/pid").strip("pid:[]"),
        pid=os.getpid(),
        started=start_of(os.getpid()) or 0,
    )


def start_of(pid: int) -> int | None:
    """When a process began; None: there is none with this number."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    # The name, in brackets, may hold anything; after it comes field 3.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in ("Z", "X") else int(fields[19])
