# SPDX-License-Identifier: Apache-2.0
"""Whether the service stays as it is while controllers misbehave for long.

    python benchmarks/ipmi_soak.py [--minutes 30] [--nodes 40]

A real service whose nodes have controllers of ipmi_sim, behind proxies that
lose, delay, double, reorder, cut and invent packets, and scripted ones. All
the time users switch nodes, controllers are killed, stopped and restarted,
forget their sessions, and refuse passwords. At the end everything is mended;
then each node has to have the power state that its machine has. Memory,
threads and sockets of the service, and sessions at controllers, have to be
at the end what they were before. Ends with 0 if so. Needs Debian's package
``openipmi`` and the extras ``backend`` and ``test``.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lab.ipmi.farm import Farm, SimulatedBmc
from lab.ipmi.faults import BLACKHOLE, MUTE, Faults
from lab.ipmi.flatness import Limits, Sample, judge
from lab.ipmi.proxy import Proxies, Proxy
from lab.ipmi.scripted import ScriptedBmc
from lab.waiting import wait_for
from tests.functional.ipmi.service import OFF, ON, Service

OPTIONS: dict[str, dict[str, str]] = {
    "DEFAULT": {"enabled_hardware_types": "ipmi"},
    "ipmi": {
        "command_retry_timeout": "3",
        "poll_timeout": "1",
        "session_idle_timeout": "3",
        "breaker_longest_pause": "4",
    },
    "conductor": {
        "power_state_change_timeout": "5",
        "sync_power_state_interval": "2",
        "power_failure_recovery_interval": "2",
    },
}
USERS = 3
#: Of each kind beside the ones behind proxies.
FEW = 4
TICK = 0.25
MENDED_WITHIN = 60.0

# A service that has run for seconds has not seen everything once.
SHORT = 300.0
SHORT_LIMITS = Limits(memory_mib=10.0)

BAD_NETWORKS = (
    Faults(drop=0.2),
    Faults(drop=0.02),
    Faults(duplicate=0.5),
    Faults(delay=0.2, jitter=0.6),
    Faults(reorder=0.4),
    Faults(truncate=0.2),
    Faults(garbage=0.3),
    Faults(wrong_session=0.3),
    BLACKHOLE,
    MUTE,
)


class World:
    """The service, its controllers, and what happens to them."""

    def __init__(self, directory: Path, nodes: int, stack: ExitStack) -> None:
        self._dice = random.Random(7)
        many = stack.enter_context(Farm(directory / "m", nodes))
        self._proxies = stack.enter_context(
            Proxies(directory / "p", [bmc.target for bmc in many])
        )
        self._own = stack.enter_context(
            Farm(directory / "o", FEW, own_process=True)
        )
        self._scripted = [
            stack.enter_context(ScriptedBmc(directory / f"s{number}"))
            for number in range(FEW)
        ]
        (directory / "service").mkdir()
        self._service = Service(directory / "service", OPTIONS)
        stack.callback(self._service.backend.stop)
        self._truths: dict[str, Callable[[], bool]] = {}
        for proxy, bmc in zip(self._proxies, many, strict=True):
            self._enrol(proxy, bmc)
        for one in [*self._own, *self._scripted]:
            self._enrol(one, one)
        self.counts: Counter[str] = Counter()
        self._stopped: set[SimulatedBmc] = set()
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._use, args=(n,), name=f"user-{n}")
            for n in range(USERS)
        ]

    def _enrol(
        self,
        behind: Proxy | SimulatedBmc | ScriptedBmc,
        machine: SimulatedBmc | ScriptedBmc,
    ) -> None:
        node = self._service.managed(behind.driver_info)
        self._truths[node] = lambda: machine.is_on

    def run(self, seconds: float) -> list[Sample]:
        """Let it all happen, and look each second."""
        for thread in self._threads:
            thread.start()
        samples = []
        end = time.monotonic() + seconds
        look = 0.0
        while (now := time.monotonic()) < end:
            self._disturb()
            if now >= look:
                look = now + 1.0
                samples.append(self._sample())
            time.sleep(TICK)
        self._over.set()
        for thread in self._threads:
            thread.join(30)
        return samples

    def _sample(self) -> Sample:
        process = Path(f"/proc/{self._service.backend.process.pid}")
        status = dict(
            line.split(":", 1)
            for line in (process / "status").read_text().splitlines()
        )
        sockets = 0
        for entry in os.scandir(process / "fd"):
            try:
                sockets += os.readlink(entry.path).startswith("socket:")
            except FileNotFoundError:
                continue
        return Sample(
            memory_mib=int(status["VmRSS"].split()[0]) / 1024,
            threads=int(status["Threads"]),
            sockets=sockets,
            sessions=max(bmc.sessions for bmc in self._scripted),
        )

    def _disturb(self) -> None:
        dice = self._dice
        what = dice.choice(
            [
                self._spoil,
                self._spoil,
                self._heal,
                self._restart,
                self._stop,
                self._continue,
                self._forget,
                self._refuse,
            ]
        )
        what()
        self.counts[what.__name__.strip("_")] += 1

    def _spoil(self) -> None:
        self._dice.choice(self._proxies).spoil(self._dice.choice(BAD_NETWORKS))

    def _heal(self) -> None:
        self._dice.choice(self._proxies).spoil()

    def _restart(self) -> None:
        bmc = self._dice.choice(self._own.bmcs)
        self._stopped.discard(bmc)
        bmc.restart()

    def _stop(self) -> None:
        bmc = self._dice.choice(self._own.bmcs)
        self._stopped.add(bmc)
        bmc.stop()

    def _continue(self) -> None:
        for bmc in self._stopped:
            bmc.cont()
        self._stopped.clear()

    def _forget(self) -> None:
        self._dice.choice(self._scripted).forget(self._dice.random() * 2)

    def _refuse(self) -> None:
        bmc = self._dice.choice(self._scripted)
        bmc.script(password=self._dice.choice(["secret", "secret", "other"]))

    def _use(self, number: int) -> None:
        dice = random.Random(number)
        mine = list(self._truths)[number::USERS]
        while not self._over.wait(dice.random() * 0.3):
            node = dice.choice(mine)
            reply = self._service.backend.http(
                "PUT",
                f"/v1/nodes/{node}/states/power",
                {"target": dice.choice([ON, OFF, "rebooting"])},
            )
            self.counts[f"requests answered with {reply.status}"] += 1

    def mend(self) -> list[str]:
        """Everything is good again; the nodes that don't become so."""
        self._proxies.spoil()
        self._continue()
        for bmc in self._scripted:
            bmc.forget()
            bmc.script(password="secret")
        left = dict(self._truths)

        def all_right() -> bool:
            for node, truth in list(left.items()):
                shown = self._service.show(node)
                if (
                    not shown["maintenance"]
                    and shown["target_power_state"] is None
                    and shown["power_state"] == (ON if truth() else OFF)
                ):
                    del left[node]
            return not left

        try:
            wait_for(all_right, MENDED_WITHIN, "mended nodes", every=1)
        except Exception as error:
            return [f"{error}", *(self._why(node) for node in left)]
        return []

    def _why(self, node: str) -> str:
        shown = self._service.show(node)
        names = ("maintenance", "fault", "power_state", "target_power_state")
        seen = ", ".join(f"{name} {shown[name]}" for name in names)
        path = f"/v1/nodes/{node}/states/power"
        followed = self._service.backend.http("GET", path).json
        return f"{node}: {seen}, {shown['last_error']}; {followed}"

    def leave(self) -> list[str]:
        """Stop the service; what it did wrong then or before."""
        wrong = []
        status = self._service.backend.stop()
        if status:
            wrong.append(f"the service ended with {status}")
        log = self._service.backend.log.read_text()
        if "Traceback" in log:
            wrong.append(log[log.index("Traceback") :][:3000])
        taken = [bmc.sessions for bmc in self._scripted]
        if any(taken):
            wrong.append(f"sessions left at the end: {taken}")
        return wrong


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--nodes", type=int, default=40)
    arguments = parser.parse_args()
    seconds = arguments.minutes * 60
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        world = World(Path(temporary), arguments.nodes, stack)
        samples = world.run(seconds)
        wrong = world.mend() + world.leave()
        verdict = judge(samples, SHORT_LIMITS if seconds < SHORT else Limits())
        print(f"soak of {arguments.nodes + 2 * FEW} nodes for {seconds:.0f} s")
        print(verdict.table)
        for what, times in sorted(world.counts.items()):
            print(f"{times:>8} {what}")
    for complaint in [*wrong, *verdict.growing]:
        print(f"not flat or not right: {complaint}")
    return 1 if wrong or verdict.growing else 0


if __name__ == "__main__":
    sys.exit(main())
