# SPDX-License-Identifier: Apache-2.0
"""``/v1/conductors/{host}/periodics``: periodic tasks, and how they went.

An extension of this service.
"""

from __future__ import annotations

import dataclasses

from baremetal_backend.api import wellformed
from baremetal_backend.api.call import Answer, Call, answer, takes


@takes()
def listing(call: Call, host: str) -> Answer:
    """GET /v1/conductors/{host}/periodics"""
    found = call.conductor.periodics(wellformed.line(host, "conductor"))
    return answer({"periodics": [dataclasses.asdict(one) for one in found]})
