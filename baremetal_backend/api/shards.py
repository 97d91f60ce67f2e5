# SPDX-License-Identifier: Apache-2.0
"""``/v1/shards``: how many nodes each shard has."""

from __future__ import annotations

from baremetal_backend.api.call import Answer, Call, answer


def listing(call: Call) -> Answer:
    """GET /v1/shards; nodes in no shard are counted under ``None``."""
    return answer(
        {
            "shards": [
                {"name": str(name), "count": count}
                for name, count in call.storage.nodes.shards()
            ]
        }
    )
