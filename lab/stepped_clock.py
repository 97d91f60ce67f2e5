# SPDX-License-Identifier: Apache-2.0
"""A wall clock of its own for a process, to be set forth and back.

libfaketime from the distribution's package; the monotonic clock stays real,
as it does when a machine's clock is stepped.
"""

from __future__ import annotations

from pathlib import Path

DEBIAN_PACKAGE = "libfaketime"

_LIBRARY = "faketime/libfaketimeMT.so.1"


class SteppedClock:
    """The clock of all processes that are started with ``environment``."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.step(0)

    @property
    def environment(self) -> dict[str, str]:
        """What the process needs in its environment.

        :raises RuntimeError: the package is not installed
        """
        return {
            "LD_PRELOAD": str(_library()),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            # Read the file at each look at the clock.
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }

    def step(self, seconds: int) -> None:
        """Set the clock to so many seconds beside the real time."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        new.replace(self._file)


def _library() -> Path:
    for directory in Path("/usr/lib").glob("*-linux-gnu*"):
        if (directory / _LIBRARY).exists():
            return directory / _LIBRARY
    raise RuntimeError(
        f"{DEBIAN_PACKAGE} is missing: sudo apt-get install {DEBIAN_PACKAGE}"
    )
