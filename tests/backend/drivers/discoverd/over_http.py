# SPDX-License-Identifier: Apache-2.0
"""Clients of scripted services, with the patience of a test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from baremetal_backend.conf.discoverd import DiscoverdSettings
from baremetal_backend.drivers.discoverd.client import InspectorClient
from lab.inspection.scripted import ScriptedInspection

#: Seconds that nothing here comes near to.
PATIENT = {
    "connect_timeout": 20.0,
    "start_timeout": 20.0,
    "request_timeout": 20.0,
}


def settings(service: ScriptedInspection, **changes: Any) -> DiscoverdSettings:
    given = {"enabled": True, "service_url": service.url, **PATIENT}
    return DiscoverdSettings(**{**given, **changes})


@contextmanager
def client_of(
    service: ScriptedInspection, **changes: Any
) -> Iterator[InspectorClient]:
    """``changes``: of the settings."""
    client = InspectorClient(settings(service, **changes))
    try:
        yield client
    finally:
        client.close()
