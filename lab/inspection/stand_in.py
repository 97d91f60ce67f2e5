# SPDX-License-Identifier: Apache-2.0
"""A machine of which there is only the controller, and what it would report.

Its controller is a real ``ipmi_sim``. When it is switched on with the network
as its boot device, the report of a ramdisk is posted some seconds later, as
if it had booted one. For the user guide, where nothing but the inspection
itself is to be seen; ``machine`` has one that really boots.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from lab.inspection.ramdisk_reports import Hardware
from lab.ipmi.farm import SimulatedBmc

#: The report of a ramdisk is answered when all is written to the node.
_ANSWER_SECONDS = 90.0

# No proxy of the environment may see a request for the loopback interface.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class StandIn:
    """One machine.

    :param bmc: has a journal (its farm is not a cheap one)
    :param service_url: of the inspection service, with ``/v1``
    :param boot_seconds: from the switch to the report
    """

    bmc: SimulatedBmc
    hardware: Hardware
    service_url: str
    boot_seconds: float

    def live(self, say: Callable[[str], None]) -> None:
        """Boot and report whenever it is switched on; never returns.

        :param say: gets a sentence for all that happens to the machine
        """
        began = None
        seen = network_boots(self.bmc.journal)
        while True:
            boots = network_boots(self.bmc.journal)
            if boots > seen:
                seen, began = boots, time.monotonic()
                say("switched on; boots from the network")
            if began is not None and not self.bmc.is_on:
                began = None
                say("switched off before it could report")
            if began is not None and self._is_up(began):
                began = None
                say(self._report())
            time.sleep(0.2)

    def _is_up(self, began: float) -> bool:
        return time.monotonic() - began >= self.boot_seconds

    def _report(self) -> str:
        request = urllib.request.Request(
            f"{self.service_url}/continue",
            data=json.dumps(self.hardware.report()).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with _OPENER.open(request, timeout=_ANSWER_SECONDS) as answer:
                return f"reported; the service answered {answer.status}"
        except urllib.error.HTTPError as error:
            return f"reported; {error.code}: {error.read().decode()}"
        except OSError as error:
            return f"could not report to {self.service_url}: {error}"


def network_boots(journal: Sequence[str]) -> int:
    """How often a machine with this journal has booted from the network.

    The boot device holds for one start.
    """
    return sum(device == "pxe" for device in _starts(journal))


def _starts(journal: Sequence[str]) -> Iterator[str | None]:
    """The boot device of each start; None: the machine's own."""
    device = None
    for line in journal:
        what, _, value = line.partition(" ")
        if what == "boot":
            device = value
        elif line == "power 1" or what == "reset":
            yield device
            device = None
