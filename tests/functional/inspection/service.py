# SPDX-License-Identifier: Apache-2.0
"""Our service and a real ironic-inspector, in words of these tests.

Times are scaled: the service is polled each second. A node's time is over
when a test says so.
"""

from __future__ import annotations

import contextlib
import itertools
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import conf_files
from lab.faulty_proxy import FaultyProxy, Request
from lab.inspection import ramdisk_reports
from lab.inspection.inspector import Account, Answer, Inspector
from lab.inspection.ramdisk_reports import Hardware, Report
from lab.ports import LOOPBACK, free_port
from lab.processes import Crew
from tests.backend.running import Reply, RunningBackend, until

ON, OFF = "power on", "power off"

POLL = 1

DISCOVERD: Mapping[str, str] = {
    "enabled": "true",
    "status_check_period": str(POLL),
    "connect_timeout": "1",
    "start_timeout": "5",
    "request_timeout": "2",
}
CONDUCTOR: Mapping[str, str] = {
    "inspect_wait_timeout": "600",
    "check_provision_state_interval": "1",
}

#: Of users that act at the same time.
_USERS = 8


@dataclass(frozen=True)
class Machine:
    """A node, and the hardware that it stands for."""

    uuid: str
    hardware: Hardware

    def report(self) -> Report:
        """What its ramdisk posts when all went well."""
        return self.hardware.report()


class Pair:
    """A service and its inspector.

    The service reaches the inspector through ``proxy``, which hands
    everything on until a test says otherwise. Each can be replaced: the
    other finds the next one at the same address.

    :param options: of our service, by section
    :param inspector: options of ironic-inspector, by section
    :param account: what the inspector wants to see; ours has to be told
    :param empty: see Inspector
    """

    def __init__(
        self,
        directory: Path,
        *,
        options: Mapping[str, Mapping[str, str]] | None = None,
        inspector: conf_files.Sections | None = None,
        account: Account | None = None,
        empty: Path | None = None,
    ) -> None:
        self._directory = directory
        self._numbers = itertools.count(1)
        self._port = free_port()
        self._crew = Crew(directory)
        sections: Any = inspector or {}
        self.inspector = Inspector(
            self._crew,
            f"http://{LOOPBACK}:{self._port}",
            account=account,
            empty=empty,
            **sections,
        )
        self.proxy = FaultyProxy(self.inspector.port)
        self.options: dict[str, dict[str, str]] = {
            name: {key: str(value) for key, value in values.items()}
            for name, values in conf_files.merge(
                {
                    "discoverd": {
                        **DISCOVERD,
                        "service_url": f"{self.proxy.url}/v1",
                    },
                    "conductor": CONDUCTOR,
                },
                options or {},
            ).items()
        }
        try:
            self.inspector.start()
            self.backend = self._backend()
        except BaseException:
            self._crew.stop()
            self.proxy.close()
            raise

    def _backend(self) -> RunningBackend:
        options: Any = self.options
        return RunningBackend(self._directory, port=self._port, **options)

    def close(self) -> None:
        """Stop both; ours must have had no trouble with itself."""
        try:
            assert self.backend.stop() == 0
        finally:
            self._crew.stop()
            self.proxy.close()
        log = self.log()
        assert "Traceback" not in log, log[log.index("Traceback") - 2000 :]

    def heal(self) -> None:
        """Whatever a test broke: all is as it was at the start."""
        self.proxy.fault = self.proxy.rewrite = None
        if self.backend.process.poll() is not None:
            self.start()
        if self.inspector.process.is_running:
            self.inspector.resume()
        else:
            self.inspector.start()
        self.proxy.come_up()
        self.proxy.requests.clear()

    # -- the inspector -----------------------------------------------------

    def inspector_goes(self) -> None:
        """It is stopped: nobody listens at its address."""
        self.proxy.go_down()
        self.inspector.stop()

    def inspector_comes(self) -> None:
        """It is started again."""
        self.inspector.start()
        self.proxy.come_up()

    # -- our service -------------------------------------------------------

    def kill(self) -> None:
        """Our service is gone, in the middle of whatever it does."""
        self.backend.process.kill()
        self.backend.process.wait(10)

    def start(self, **options: Mapping[str, str]) -> None:
        """Start it again, with its database; options are laid over."""
        for name, values in options.items():
            self.options.setdefault(name, {}).update(values)
        self.backend = self._backend()

    def restart(self, **options: Mapping[str, str]) -> None:
        """Stop it in peace, and start it again."""
        assert self.backend.stop() == 0
        self.start(**options)

    @contextlib.contextmanager
    def deadline(self, seconds: int) -> Iterator[None]:
        """For a while, nodes may wait for so long only, by SIGHUP."""
        before = int(self.options["conductor"]["inspect_wait_timeout"])
        self._allow(seconds)
        yield
        self._allow(before)

    def _allow(self, seconds: int) -> None:
        option = "inspect_wait_timeout"
        before = self.options["conductor"][option]
        self.options["conductor"][option] = str(seconds)
        file = self._directory / "backend.conf"
        text = file.read_text()
        assert f"{option} = {before}\n" in text
        file.write_text(
            text.replace(f"{option} = {before}\n", f"{option} = {seconds}\n")
        )
        since = len(self.log())
        self.backend.process.send_signal(signal.SIGHUP)
        until(
            lambda: "was read again" in self.log()[since:],
            20,
            "an answer to SIGHUP",
        )

    def log(self) -> str:
        """What it wrote, over all starts."""
        return self.backend.log.read_text()

    def warnings(self, since: int = 0) -> list[str]:
        """Its lines about the inspection service that call for somebody.

        :param since: a length of ``log()``: only what came after
        """
        return [
            line
            for line in self.log()[since:].splitlines()
            if " WARNING " in line and self.proxy.url in line
        ]

    def good_news(self, since: int = 0) -> list[str]:
        """Its lines about the inspection service that calm somebody."""
        return [
            line
            for line in self.log()[since:].splitlines()
            if " INFO " in line and self.proxy.url in line
        ]

    # -- nodes -------------------------------------------------------------

    def machine(self, **values: Any) -> Machine:
        """A manageable node that the inspector can tell from others."""
        return self.machines(1, lambda number: values)[0]

    def machines(
        self, count: int, values: Callable[[int], Any] = lambda number: {}
    ) -> list[Machine]:
        """So many of them; ``values``: position to fields of the node."""
        numbers = itertools.islice(self._numbers, count)
        found = ramdisk_reports.machines(numbers)
        with ThreadPoolExecutor(_USERS) as users:
            return list(
                users.map(self._enrol, found, map(values, range(count)))
            )

    def _enrol(self, hardware: Hardware, values: Mapping[str, Any]) -> Machine:
        info = {
            "ipmi_address": hardware.bmc_address,
            **values.get("driver_info", {}),
        }
        node = self.backend.node(
            **{
                "inspect_interface": "discoverd",
                **values,
                "driver_info": info,
            }
        )
        self.ask(node["uuid"], "manage")
        self.backend.state(node["uuid"], "manageable")
        return Machine(node["uuid"], hardware)

    def show(self, machine: Machine) -> dict[str, Any]:
        """The node."""
        reply = self.backend.http("GET", f"/v1/nodes/{machine.uuid}")
        assert reply.status == 200, reply.data
        return dict(reply.json)

    def shown(self) -> dict[str, dict[str, Any]]:
        """All nodes, with all fields."""
        found: dict[str, dict[str, Any]] = {}
        path = "/v1/nodes/detail"
        while path:
            page = self.backend.http("GET", path).json
            found |= {node["uuid"]: node for node in page["nodes"]}
            path = page.get("next", "").removeprefix(self.backend.url)
        return found

    def in_state(
        self, machines: Iterable[Machine], state: str
    ) -> list[Machine]:
        """Those that are in this state now."""
        nodes = self.shown()
        return [
            machine
            for machine in machines
            if nodes[machine.uuid]["provision_state"] == state
        ]

    def ports(self, machine: Machine) -> dict[str, dict[str, Any]]:
        """MAC address to port of a node."""
        path = f"/v1/ports/detail?node={machine.uuid}"
        listed = self.backend.http("GET", path).json["ports"]
        return {port["address"]: port for port in listed}

    def inventory(self, machine: Machine) -> Reply:
        """What is known to be in a node."""
        path = f"/v1/nodes/{machine.uuid}/inventory"
        return self.backend.http("GET", path)

    def history(self, machine: Machine) -> list[str]:
        """The sentences of a node's history, oldest first."""
        path = f"/v1/nodes/{machine.uuid}/history?detail=true"
        listed = self.backend.http("GET", path).json["history"]
        return [event["event"] for event in listed]

    def patch(self, machine: Machine, path: str, value: Any) -> None:
        """Change a node, as an operator does."""
        reply = self.backend.http(
            "PATCH",
            f"/v1/nodes/{machine.uuid}",
            [{"op": "add", "path": path, "value": value}],
        )
        assert reply.status == 200, reply.data

    def power(self, machine: Machine, target: str) -> None:
        """Ask for a power state; don't wait for it."""
        path = f"/v1/nodes/{machine.uuid}/states/power"
        reply = self.backend.http("PUT", path, {"target": target})
        assert reply.status == 202, reply.data

    @contextlib.contextmanager
    def held(self, machine: Machine, seconds: float) -> Iterator[None]:
        """The node is in use for so long: it is being switched."""
        self.patch(machine, "/driver_info/fake_power_delay", seconds)
        self.power(machine, ON)
        assert self.show(machine)["reservation"] is not None
        yield
        until(
            lambda: self.show(machine)["reservation"] is None,
            seconds + 10,
            f"{machine.uuid} to be free",
        )
        self.patch(machine, "/driver_info/fake_power_delay", 0)

    # -- inspections -------------------------------------------------------

    def ask(self, node: str, verb: str) -> None:
        """Ask for a verb that must be accepted."""
        path = f"/v1/nodes/{node}/states/provision"
        reply = self.backend.http("PUT", path, {"target": verb})
        assert reply.status == 202, (verb, reply.data)

    def inspect(self, *machines: Machine) -> None:
        """Ask for the inspection of all of them at once."""
        with ThreadPoolExecutor(_USERS) as users:
            uuids = [machine.uuid for machine in machines]
            list(users.map(lambda uuid: self.ask(uuid, "inspect"), uuids))

    def until_booted(self, *machines: Machine, seconds: float = 30) -> None:
        """Wait until the inspector waits for their ramdisks."""
        for machine in machines:
            self.inspector.wait_state(machine.uuid, "waiting", seconds=seconds)

    def begun(self, *machines: Machine) -> None:
        """Inspect them, up to the point where their ramdisks run."""
        self.inspect(*machines)
        self.until_booted(*machines)

    def report(self, *machines: Machine) -> None:
        """Their ramdisks report, at the same time, and are thanked."""
        answers = ramdisk_reports.post_all(
            self.inspector,
            {machine.uuid: machine.report() for machine in machines},
        )
        for machine in machines:
            answer = answers[machine.uuid]
            assert answer == Answer(200, {"uuid": machine.uuid})

    @contextlib.contextmanager
    def reporting(self, *machines: Machine) -> Iterator[list[Future[Answer]]]:
        """Their ramdisks report, while a test does something else."""
        with ThreadPoolExecutor(len(machines), "ramdisk") as ramdisks:
            yield [
                ramdisks.submit(self.inspector.report, machine.report())
                for machine in machines
            ]

    def until_patched(self, machines: Iterable[Machine]) -> None:
        """Wait until the inspector has changed one of them at least."""

        def patched() -> bool:
            nodes = self.shown()
            return any(
                "local_gb" in nodes[machine.uuid]["properties"]
                for machine in machines
            )

        until(patched, 20, "the first change by the inspector")

    def ends(
        self, machine: Machine, state: str, seconds: float = 20
    ) -> dict[str, Any]:
        """Wait for the state that its inspection is to lead to."""
        seen: dict[str, Any] = {}

        def reached() -> bool:
            seen.update(self.show(machine))
            return bool(
                seen["provision_state"] == state
                and seen["reservation"] is None
            )

        try:
            until(reached, seconds, f"{machine.uuid} to be {state}")
        except AssertionError as error:
            raise AssertionError(
                f"{error}; it is {seen['provision_state']}, last error: "
                f"{seen['last_error']}; the service has "
                f"{self.inspector.is_serving() and self._record(machine)}"
            ) from None
        return seen

    def _record(self, machine: Machine) -> object:
        return self.inspector.status(machine.uuid)

    def ends_well(self, machine: Machine, seconds: float = 20) -> None:
        """Wait for the end, and look at what was found."""
        shown = self.ends(machine, "manageable", seconds)
        assert shown["last_error"] is None
        found = machine.hardware.expected_properties
        assert {key: shown["properties"][key] for key in found} == found
        assert set(self.ports(machine)) == set(machine.hardware.macs)

    def works(self, machine: Machine) -> None:
        """A whole inspection, from the verb to the end."""
        self.begun(machine)
        self.report(machine)
        self.ends_well(machine)

    def stay(
        self, machines: Iterable[Machine], state: str, seconds: float
    ) -> None:
        """Each comes into this state, and for so long nothing changes."""
        errors = {one: self.ends(one, state)["last_error"] for one in machines}
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for machine, error in errors.items():
                shown = self.show(machine)
                assert shown["provision_state"] == state, shown["last_error"]
                assert shown["last_error"] == error
            time.sleep(0.1)

    # -- what was asked of the inspection service --------------------------

    def starts(self, machine: Machine) -> list[Request]:
        """Requests to begin with a node, through the proxy."""
        return [
            request
            for request in self.proxy.requests
            if is_start(request) and request.path.endswith(machine.uuid)
        ]


def is_start(request: Request) -> bool:
    """Is it a request to begin with a node?"""
    return request.method == "POST" and not request.path.endswith("/abort")


def is_question(request: Request) -> bool:
    """Is it a request for statuses or data?"""
    return request.method == "GET" and "/introspection" in request.path
