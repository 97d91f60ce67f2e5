# SPDX-License-Identifier: Apache-2.0
"""Free ports on the loopback interface, for TCP and UDP alike.

Ports come from below the range that Linux takes for outgoing connections
(32768 and up), so that no client can sit on one by chance between choosing
it and the service's bind. A port is given once in the life of a process; and
no other process of a lab is given it meanwhile, since a process that wants
ports claims a block of them for itself.
"""

from __future__ import annotations

import random
import socket

LOOPBACK = "127.0.0.1"
LOWEST, HIGHEST = 20000, 32000

_BLOCK = 50

_chooser = random.SystemRandom()
#: Not given yet, of the claimed blocks.
_mine: list[int] = []
#: They are ours as long as these are open.
_claims: list[socket.socket] = []


class NoFreePort(Exception):
    """No port could be bound in the range of the lab."""


def free_port() -> int:
    """Return a port that nothing listens on.

    :raises NoFreePort: all blocks are claimed
    """
    while True:
        while _mine:
            port = _mine.pop()
            if _can_bind(port):
                return port
        _claim_block()


def _claim_block() -> None:
    firsts = list(range(LOWEST, HIGHEST, _BLOCK))
    _chooser.shuffle(firsts)
    for first in firsts:
        # Linux' own kind of name: exclusive, and gone with its process.
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            claim.bind(f"\0lab-ports-{first}")
        except OSError:
            claim.close()
            continue
        _claims.append(claim)
        _mine.extend(range(first, first + _BLOCK))
        _chooser.shuffle(_mine)
        return
    raise NoFreePort(f"nothing free from {LOWEST} to {HIGHEST}")


def _can_bind(port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                return False
    return True


def accepts(port: int, seconds: float = 1.0) -> bool:
    """Tell whether something on the loopback interface takes connections."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=seconds):
            return True
    except OSError:
        return False
