# SPDX-License-Identifier: Apache-2.0
"""Names that decide ownership: compute hosts and partitions.

Both compare case-insensitively (a host renamed from ``Ctl1`` to ``ctl1`` is
the same peer, launchpad bug 1866380) and keep the spelling that the operator
chose for display. Neither knows where it was configured.
"""

from __future__ import annotations

import dataclasses
import re

_HOST = re.compile(r"[A-Za-z0-9_.:@-]{1,255}\Z")
_KEY = re.compile(r"[A-Za-z0-9_.-]{0,255}\Z")


@dataclasses.dataclass(frozen=True, slots=True)
class HostName:
    """The host of a nova-compute service.

    :param display: str, as configured or as nova recorded it.
    """

    display: str = dataclasses.field(compare=False)
    key: str = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", self.display.lower())

    @classmethod
    def configured(cls, text: str) -> HostName:
        """A host that a person wrote.

        :raises ValueError: not a name that nova-compute can have as host.
        """
        if not _HOST.match(text):
            raise ValueError(
                f"{text!r} is not a host name (letters, digits, '.', '_', "
                "'-'; hosts are separated by commas)"
            )
        return cls(text)

    def __str__(self) -> str:
        return self.display

    def __lt__(self, other: HostName) -> bool:
        return self.key < other.key


@dataclasses.dataclass(frozen=True, slots=True)
class PartitionKey:
    """The conductor group whose nodes are shared.

    ``PartitionKey("")`` is the default conductor group. "No partition at
    all" is ``None``, never an empty key.

    :param value: str of at most 255 characters.
    :raises ValueError: not a conductor group's name.
    """

    value: str

    def __post_init__(self) -> None:
        if not _KEY.match(self.value):
            raise ValueError(
                f"{self.value!r} is not a conductor group (at most 255 of "
                "letters, digits, '.', '_', '-')"
            )
        object.__setattr__(self, "value", self.value.lower())

    def __str__(self) -> str:
        return self.value or "the default conductor group"
