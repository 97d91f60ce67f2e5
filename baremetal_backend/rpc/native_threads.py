# SPDX-License-Identifier: Apache-2.0
"""Native threads, to be chosen before oslo.messaging is imported.

oslo.messaging brings oslo.service, which takes eventlet wherever eventlet is
installed, unless somebody has chosen before.
"""

from __future__ import annotations

from oslo_service import backend


def choose() -> None:
    """Choose native threads; whoever chose before is not overruled."""
    if backend.get_backend_type() is None:
        backend.init_backend(backend.BackendType.THREADING)
