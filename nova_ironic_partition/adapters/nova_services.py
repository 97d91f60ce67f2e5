# SPDX-License-Identifier: Apache-2.0
"""Reads Nova's service records of the peers.

One look-up per peer, not nova's join over all compute nodes of the cell,
which is slow and hides a peer that has no node yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from nova import context as nova_context
from nova import objects

from nova_ironic_partition.core.identity import HostName
from nova_ironic_partition.core.membership import ServiceRecord

BINARY = "nova-compute"


class NovaServices:
    """Implements :class:`nova_ironic_partition.ports.ServiceDirectory`.

    Records are ``up`` by nova's judgement, which compares the clock of this
    host with those of others.

    :param is_up: nova's judgement of a record's heartbeat.
    """

    def __init__(self, is_up: Callable[[Any], bool]) -> None:
        self._is_up = is_up

    def of(self, hosts: Iterable[HostName]) -> dict[HostName, ServiceRecord]:
        """The records of these hosts; those unknown to Nova are left out."""
        context = nova_context.get_admin_context()
        found: dict[HostName, ServiceRecord] = {}
        missing = []
        for host in hosts:
            record = objects.Service.get_by_host_and_binary(
                context, host.display, BINARY
            )
            if record is None:
                missing.append(host)
            else:
                found[host] = self._record(record)
        if missing:
            found.update(self._in_another_case(context, missing))
        return found

    def ironic(self) -> dict[HostName, ServiceRecord]:
        """All enabled services that have a compute node of type ironic."""
        return self._by_host(
            objects.ServiceList.get_all_computes_by_hv_type(
                nova_context.get_admin_context(), "ironic"
            )
        )

    def _in_another_case(
        self, context: Any, hosts: Iterable[HostName]
    ) -> Mapping[HostName, ServiceRecord]:
        """Most databases compare strings case-sensitively; hosts do not."""
        known = self._by_host(
            objects.ServiceList.get_by_binary(
                context, BINARY, include_disabled=True
            )
        )
        return {host: known[host] for host in hosts if host in known}

    def _by_host(self, records: Any) -> dict[HostName, ServiceRecord]:
        found: dict[HostName, ServiceRecord] = {}
        for service in records:
            record = self._record(service)
            earlier = found.get(record.host)
            # Two records in two spellings: a renamed host. The one that
            # lives counts.
            if earlier is None or earlier.absence is not None:
                found[record.host] = record
        return found

    def _record(self, service: Any) -> ServiceRecord:
        return ServiceRecord(
            host=HostName(service.host),
            up=self._is_up(service),
            disabled=bool(service.disabled),
            forced_down=bool(service.forced_down),
            heartbeat=str(service.report_count),
        )
