# SPDX-License-Identifier: Apache-2.0
"""Free TCP ports on the loopback interface.

Ports come from below the range that Linux takes for outgoing connections
(32768 and up), so that no client can sit on one by chance between choosing
it and the service's bind. A port is given once in the life of a process.
"""

from __future__ import annotations

import random
import socket

LOOPBACK = "127.0.0.1"
LOWEST, HIGHEST = 20000, 32000

_given: set[int] = set()


class NoFreePort(Exception):
    """No port could be bound in the range of the lab."""


def free_port() -> int:
    """Return a port that nothing listens on.

    :raises NoFreePort: after as many tries as there are ports
    """
    chooser = random.SystemRandom()
    for _ in range(HIGHEST - LOWEST):
        port = chooser.randrange(LOWEST, HIGHEST)
        if port not in _given and _can_bind(port):
            _given.add(port)
            return port
    raise NoFreePort(f"nothing free from {LOWEST} to {HIGHEST}")


def _can_bind(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
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
