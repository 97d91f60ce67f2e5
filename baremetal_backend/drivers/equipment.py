# SPDX-License-Identifier: Apache-2.0
"""What drivers have beside implementations that nodes choose."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable

from baremetal_backend.conf.settings import Settings
from baremetal_backend.core.figures import Figure


class Equipment(ABC):
    """What implementations share and what runs: a client with a thread.

    Made once for all implementations of a process that name it. It is started
    before anything asks for a node, and stopped after everything else.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @abstractmethod
    def start(self) -> None:
        """Begin to run. Errors: ConfigurationError."""

    @abstractmethod
    def stop(self) -> None:
        """End, within a few seconds."""

    def figures(self) -> Iterable[Figure]:
        """What the metrics show of it."""
        return ()


__all__ = ["Equipment"]
