# SPDX-License-Identifier: Apache-2.0
"""Orders a server the way nova-api does, where there is no nova-api.

``python -m lab.server_order NAME RESOURCE_CLASS OPTION...``: nova's own code
checks the request, writes it down and hands it to nova-conductor, as it does
behind an HTTP request; the options are those of a nova service. Only the
image is invented, since nothing reads it: there is no glance either.
"""

from __future__ import annotations

import sys
import uuid
from typing import Any


class _Images:
    """An image service with one image."""

    def get(self, context: Any, image_id: str, **how: Any) -> dict[str, Any]:
        return {
            "id": image_id,
            "status": "active",
            "name": "empty",
            "container_format": "bare",
            "disk_format": "raw",
            "size": 1024,
            "min_ram": 0,
            "min_disk": 0,
            "properties": {},
        }


def main() -> None:
    """Order one server without networks."""
    name, resource_class, *options = sys.argv[1:]
    from nova import config, objects
    from nova.compute import api
    from nova.context import RequestContext

    config.parse_args(["lab.server_order", *options])
    objects.register_all()
    context = RequestContext(
        user_id=uuid.uuid4().hex, project_id=uuid.uuid4().hex, is_admin=True
    )
    flavor = objects.Flavor(
        context,
        name=name,
        flavorid=name,
        memory_mb=16384,
        vcpus=8,
        root_gb=100,
        ephemeral_gb=0,
        swap=0,
        rxtx_factor=1.0,
        is_public=True,
        disabled=False,
        extra_specs={
            f"resources:CUSTOM_{resource_class.upper()}": "1",
            "resources:VCPU": "0",
            "resources:MEMORY_MB": "0",
            "resources:DISK_GB": "0",
        },
        projects=[],
    )
    flavor.create()
    none = objects.NetworkRequest(network_id="none")
    api.API(image_api=_Images()).create(
        context,
        flavor,
        str(uuid.uuid4()),
        display_name=name,
        requested_networks=objects.NetworkRequestList(objects=[none]),
        # What the API hands down where a request has none.
        scheduler_hints={},
        min_count=1,
        max_count=1,
    )


if __name__ == "__main__":
    main()
