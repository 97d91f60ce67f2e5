# SPDX-License-Identifier: Apache-2.0
"""Times as text, in the one form that is stored and answered."""

from __future__ import annotations

import datetime


def timestamp(seconds: float) -> str:
    """``2026-01-31T12:00:00+00:00`` for seconds since the epoch (UTC)."""
    moment = datetime.datetime.fromtimestamp(int(seconds), datetime.UTC)
    return moment.isoformat()


def seconds(text: str) -> float:
    """Seconds since the epoch of a ``timestamp``."""
    return datetime.datetime.fromisoformat(text).timestamp()
