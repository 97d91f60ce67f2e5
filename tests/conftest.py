# SPDX-License-Identifier: Apache-2.0
"""Choose native threads for nova, before anything else is imported.

Nova decides at its first import, and refuses native threads once eventlet is
in the process; tooz and futurist import eventlet wherever it is installed.
pytest loads this file before any test module. Tests of the bare metal
service run without nova, too.
"""

import contextlib
import os

os.environ["OS_NOVA_DISABLE_EVENTLET_PATCHING"] = "yes"

with contextlib.suppress(ModuleNotFoundError):
    from nova import monkey_patch

    monkey_patch.patch()
