# SPDX-License-Identifier: Apache-2.0
"""``/``, ``/v1`` and ``/healthcheck``: who answers here, and how well."""

from __future__ import annotations

from typing import Any

from baremetal_backend.api import links, microversions
from baremetal_backend.api.call import Answer, Call, answer

# Collections and the version since which they are announced.
_COLLECTIONS = (
    ("chassis", 1),
    ("nodes", 1),
    ("ports", 1),
    ("drivers", 1),
    ("portgroups", 23),
    ("volume", 32),
    ("conductors", 49),
    ("shards", 82),
)


def root(call: Call) -> Answer:
    """GET /"""
    version = _version(call)
    return answer(
        {
            "name": "Bare Metal API",
            "description": "Enrols, provisions and manages bare metal "
            "machines over the OpenStack Bare Metal API.",
            "default_version": version,
            "versions": [version],
        }
    )


def v1(call: Call) -> Answer:
    """GET /v1"""
    document: dict[str, Any] = {
        "id": "v1",
        "links": _links(call),
        "media_types": {
            "base": "application/json",
            "type": "application/vnd.openstack.ironic.v1+json",
        },
        "version": _version(call),
    }
    for name, since in _COLLECTIONS:
        if call.version >= since:
            document[name] = links.pair(call.base, f"{name}/")
    return answer(document)


def _version(call: Call) -> dict[str, Any]:
    return {
        "id": "v1",
        "links": _links(call),
        "status": "CURRENT",
        "min_version": microversions.text(microversions.MINIMUM),
        "version": microversions.text(microversions.MAXIMUM),
    }


def _links(call: Call) -> list[dict[str, str]]:
    return [{"href": f"{call.base}/v1/", "rel": "self"}]


def healthcheck(call: Call) -> Answer:
    """GET /healthcheck: 200 as soon as a conductor takes calls, else 503."""
    if call.services.ready():
        return answer({"status": "OK"})
    return answer({"status": "no conductor yet"}, 503)
