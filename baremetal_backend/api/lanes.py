# SPDX-License-Identifier: Apache-2.0
"""``/v1/conductors/{host}/lanes``: how busy a conductor is, and with what.

An extension of this service.
"""

from __future__ import annotations

from baremetal_backend.api import wellformed
from baremetal_backend.api.call import Answer, Call, answer
from baremetal_backend.core.lanes import retry_after


def show(call: Call, host: str) -> Answer:
    """GET /v1/conductors/{host}/lanes"""
    found = call.conductor.lanes(wellformed.line(host, "conductor"))
    return answer(
        {
            "lanes": [
                {
                    "name": lane.name,
                    "size": lane.size,
                    "busy": lane.busy,
                    "paused": lane.paused,
                    "waiting": lane.waiting,
                    "oldest_wait": round(lane.oldest_wait, 3),
                    "percent": round(lane.percent, 1),
                    "admitted": lane.admitted,
                    "refused": lane.refused,
                    "mean_seconds": round(lane.mean_seconds, 3),
                    "retry_after": retry_after(lane),
                }
                for lane in found
            ]
        }
    )
