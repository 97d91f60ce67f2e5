# SPDX-License-Identifier: Apache-2.0
"""What carries a call to another process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Remote(Protocol):
    """A way to the conductors of other processes."""

    def call(
        self, host: str, method: str, arguments: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """The answer, as ``rpc.wire`` encodes it.

        ``arguments`` are encoded. Errors: ConductorUnreachable when none
        came, which says nothing of whether the call was carried out.
        """
        ...
