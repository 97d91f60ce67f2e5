# SPDX-License-Identifier: Apache-2.0
"""Who lives, by heartbeats that change while we look.

The time in a service record is written by another host's clock. It is never
compared with ours: whose record keeps changing lives, and whose record has
not changed for the down time, by our monotonic clock, is silent. Nova's own
judgement, which compares clocks, counts alone only until a first change was
seen. Afterwards it shortens the time to a half: whoever looks a moment before
the down time is over need not wait for another look.

A change that lies between two looks far apart says that the service lived at
some time between them, not that it lives. There Nova's judgement counts.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping

from nova_ironic_partition.core.identity import HostName
from nova_ironic_partition.core.membership import ServiceRecord

#: Down times between two looks after which they are far apart. More than one:
#: both are 60 seconds unless configured, and a run begins a little late.
FAR_APART = 1.5


@dataclasses.dataclass(frozen=True, slots=True)
class Beat:
    """The heartbeat of one service as it was last seen.

    :param value: compared for being equal, nothing else.
    :param since: monotonic seconds of the first look that showed it.
    :param looked: monotonic seconds of the latest look.
    :param gap: seconds from the look before to the first that showed it;
        ``None`` if no look had shown another value.
    """

    value: str
    since: float
    looked: float
    gap: float | None


@dataclasses.dataclass(frozen=True, slots=True)
class Heartbeats:
    """What has been seen of each host."""

    of: Mapping[HostName, Beat] = dataclasses.field(default_factory=dict)

    def seen(
        self, records: Mapping[HostName, ServiceRecord], now: float
    ) -> Heartbeats:
        """Take note of records that were read just now."""
        beats = dict(self.of)
        for host, record in records.items():
            known = beats.get(host)
            if record.heartbeat is None:
                beats.pop(host, None)
            elif known is None:
                beats[host] = Beat(record.heartbeat, now, now, None)
            elif known.value == record.heartbeat:
                beats[host] = dataclasses.replace(known, looked=now)
            else:
                gap = now - known.looked
                beats[host] = Beat(record.heartbeat, now, now, gap)
        return Heartbeats(types.MappingProxyType(beats))

    def judge(
        self,
        records: Mapping[HostName, ServiceRecord],
        down_time: float,
        now: float,
    ) -> dict[HostName, ServiceRecord]:
        """The records, each ``up`` or not as far as can be seen from here.

        :param down_time: seconds.
        """
        judged = dict(records)
        for host, record in records.items():
            beat = self.of.get(host)
            if beat is None or beat.gap is None:
                continue
            limit = down_time if record.up else down_time / 2
            if now - beat.since >= limit:
                judged[host] = dataclasses.replace(record, up=False)
            elif beat.gap <= FAR_APART * down_time:
                judged[host] = dataclasses.replace(record, up=True)
        return judged
