# SPDX-License-Identifier: Apache-2.0
"""``python -m lab.demo``: the demo that ``./tools/demo`` runs.

Ends with 0 only if every step's invariant held; with 1 if one did not or a
service failed; with 130 after Ctrl-C. Stops all that it started, unless
``--keep`` is given.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Protocol

from lab import (
    client_files,
    controller_step,
    mariadb,
    postgresql,
    rabbitmq,
    running,
    warden,
)
from lab.backend import HARDWARE_TYPE
from lab.bare_metal_cluster import BareMetalCluster
from lab.bare_metal_cluster import Plan as ClusterPlan
from lab.cloud import Cloud, Plan
from lab.conductors_story import ConductorsStory
from lab.inspection import machine
from lab.inspection import story as inspection
from lab.inspection.loop import Loop
from lab.inspection.ramdisk import RamdiskFailed
from lab.ipmi import farm
from lab.ipmi import witness as ipmi_witness
from lab.operator_actions import FLAVOR, IMAGE
from lab.ports import LOOPBACK
from lab.processes import ProcessFailed
from lab.screen import Screen
from lab.story import GROUP, Story
from lab.waiting import TimedOut
from lab.witness import StepFailed

#: Program to Debian package.
_OF_CONTROLLERS = {
    "ipmi_sim": farm.DEBIAN_PACKAGE,
    "ipmitool": ipmi_witness.DEBIAN_PACKAGE,
}


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./tools/demo",
        description="Three nova-compute services share a rack of bare metal "
        "nodes: a private OpenStack on the loopback interface, started, "
        "played with and stopped again.",
    )
    parser.add_argument(
        "--keep",
        action="store_true",
        help="leave the cloud running, and say how to talk to it",
    )
    parser.add_argument(
        "--no-story",
        action="store_true",
        help="start the cloud only; with --keep, to try things yourself",
    )
    stories = parser.add_mutually_exclusive_group()
    stories.add_argument(
        "--conductors",
        action="store_true",
        help="another story: three conductors and two API processes of the "
        "bare metal service, one of which is killed",
    )
    stories.add_argument(
        "--inspection",
        action="store_true",
        help="another story: a virtual machine boots, inspects itself and "
        "gets a server",
    )
    parser.add_argument(
        "--state-dir",
        type=Path,
        metavar="DIR",
        help="a new or empty directory for all files (default: below the "
        "temporary directory, removed after success)",
    )
    parser.add_argument(
        "--stop",
        type=Path,
        metavar="DIR",
        help="stop the cloud that --keep left running, and end",
    )
    return parser.parse_args(argv)


def main() -> None:
    """Run the demo with the arguments of the command line."""
    arguments = _arguments(sys.argv[1:])
    screen = Screen()
    if arguments.stop:
        sys.exit(_stop(screen, arguments.stop))
    for package in _missing_packages(arguments):
        sys.exit(f"{package} is missing: sudo apt-get install {package}")
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = LOOPBACK
    # A Ctrl-C and a kill are the same to the blocks that clean up.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    sys.exit(_run(screen, arguments))


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _missing_packages(arguments: argparse.Namespace) -> list[str]:
    database = postgresql if arguments.conductors else mariadb
    missing = [
        package.DEBIAN_PACKAGE
        for package in (rabbitmq, database)
        if not package.is_installed()
    ]
    if not arguments.conductors:
        missing += [
            package
            for program, package in _OF_CONTROLLERS.items()
            if shutil.which(program) is None
        ]
    if arguments.inspection:
        missing += machine.missing_packages()
    return missing


def _stop(screen: Screen, directory: Path) -> int:
    try:
        count = warden.stop(directory)
    except running.NotALab as error:
        print(error, file=sys.stderr)
        return 1
    screen.say(f"Stopped {count} processes of {directory}.")
    return 0


def _run(screen: Screen, arguments: argparse.Namespace) -> int:
    directory = _state_dir(arguments.state_dir)
    if directory is None:
        print(f"{arguments.state_dir} is not empty", file=sys.stderr)
        return 1
    status = 1
    stage = _stage(arguments)(screen, directory)
    try:
        stage.start()
        stage.play(arguments.no_story)
        status = 0
    except (StepFailed, ProcessFailed, RamdiskFailed, TimedOut) as error:
        screen.heading("FAILED")
        print(error, file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        screen.heading("Interrupted")
        status = 130
    finally:
        if status == 0 and arguments.keep:
            stage.keep()
        else:
            _end(screen, stage)
    if status:
        screen.say(f"The logs are in {directory / 'log'}")
    elif not arguments.keep and not arguments.state_dir:
        shutil.rmtree(directory)
    return status


def _state_dir(wanted: Path | None) -> Path | None:
    """Return a directory to use; None if the wanted one has contents."""
    if wanted is None:
        return Path(tempfile.mkdtemp(prefix="partition-demo-"))
    wanted.mkdir(parents=True, exist_ok=True)
    return None if any(wanted.iterdir()) else wanted.resolve()


class _Stage(Protocol):
    """What a story is played on."""

    def start(self) -> None: ...

    def play(self, only_prepare: bool) -> None: ...

    def keep(self) -> None: ...

    def stop(self) -> None: ...


class _CloudStage:
    """A private OpenStack."""

    def __init__(self, screen: Screen, directory: Path) -> None:
        self._screen = screen
        self._cloud = Cloud(self._plan(), directory, progress=screen.did)

    def _plan(self) -> Plan:
        types = f"{HARDWARE_TYPE},{controller_step.DRIVER}"
        return Plan(
            with_api=True,
            backend_options={"DEFAULT": {"enabled_hardware_types": types}},
        )

    def start(self) -> None:
        self._screen.heading("Start a cloud")
        self._screen.say(
            f"""Real services, each a process of its own, on 127.0.0.1:
            RabbitMQ, MariaDB, keystone, glance, neutron, placement, nova,
            and our bare metal service. Their files, configuration and logs
            are in {self._cloud.state_dir}."""
        )
        started = time.monotonic()
        self._cloud.start()
        self._screen.did(
            f"the cloud runs after {time.monotonic() - started:.0f} s"
        )

    def play(self, only_prepare: bool) -> None:
        story = Story(self._cloud, self._screen)
        if only_prepare:
            story.prepare()
        else:
            story.play()

    def stop(self) -> None:
        self._cloud.stop()

    def keep(self) -> None:
        cloud = self._cloud
        if cloud.front is None:
            raise RuntimeError("nobody can talk to a cloud without keystone")
        openrc = client_files.write(cloud.state_dir, cloud.front.keystone)
        cloud.crew.leave_running()
        self._screen.heading("The cloud stays up")
        self._screen.block(
            f"""source {openrc}
{self._hints()}
Logs: {cloud.state_dir / "log"}

Stop it: ./tools/demo --stop {cloud.state_dir}"""
        )

    def _hints(self) -> str:
        cloud = self._cloud
        pids = [
            str(cloud.compute(host).process.pid) for host in cloud.plan.hosts
        ]
        return f"""\
openstack compute service list
openstack baremetal node list
openstack baremetal node show {GROUP}-01
{_ORDER}
openstack server list --long
openstack server reboot --hard --wait mine
openstack server delete --wait mine

Edit peer_list: {cloud.nova.directory}/c1.conf (c2.conf, c3.conf), then:
kill -HUP {" ".join(pids)}"""


_ORDER = f"""\
openstack server create --flavor {FLAVOR} --image {IMAGE} --nic none \\
    --wait mine"""


class _InspectionStage(_CloudStage):
    """The same with one nova-compute, an inspector and a machine."""

    def __init__(self, screen: Screen, directory: Path) -> None:
        super().__init__(screen, directory)
        self._loop = Loop(self._cloud.crew, self._cloud.backend)

    def _plan(self) -> Plan:
        return Plan(
            hosts=("c1",), partition_key=inspection.GROUP, with_api=True
        )

    def start(self) -> None:
        # First, since it may have to download the kernel.
        self._screen.did("building the ramdisk, starting a controller")
        self._loop.machine.start_controller()
        super().start()
        self._loop.inspector.start()
        self._screen.did(
            f"ironic-inspector serves at {self._loop.inspector.url}"
        )

    def play(self, only_prepare: bool) -> None:
        story = inspection.InspectionStory(
            self._cloud, self._loop, self._screen
        )
        if only_prepare:
            story.prepare()
        else:
            story.play()

    def _hints(self) -> str:
        node = inspection.NODE
        return f"""\
openstack baremetal node show {node} --fields provision_state properties
openstack baremetal node manage --wait 60 {node}  # if it is available
openstack baremetal node inspect --wait 300 {node}
openstack baremetal port list --node {node}
openstack baremetal node inventory save {node}
openstack baremetal node provide --wait 60 {node}
{_ORDER}
openstack server delete --wait mine

The machine's console: {self._loop.machine.console}"""


class _ConductorsStage:
    """The bare metal service as several processes."""

    def __init__(self, screen: Screen, directory: Path) -> None:
        self._screen = screen
        self._cluster = BareMetalCluster(
            ClusterPlan(), directory, progress=screen.did
        )

    def start(self) -> None:
        self._screen.heading("Start the bare metal service")
        self._screen.say(
            f"""Three conductors, two API processes, RabbitMQ and PostgreSQL,
            each a process of its own, on 127.0.0.1. Their files,
            configuration and logs are in {self._cluster.state_dir}."""
        )
        started = time.monotonic()
        self._cluster.start()
        self._screen.did(f"it runs after {time.monotonic() - started:.0f} s")

    def play(self, only_prepare: bool) -> None:
        if not only_prepare:
            ConductorsStory(self._cluster, self._screen).play()

    def stop(self) -> None:
        self._cluster.stop()

    def keep(self) -> None:
        cluster = self._cluster
        cluster.crew.leave_running()
        data = cluster.leave_data()
        pids = "\n".join(
            f"{host}: {process.pid}"
            for host, process in cluster.conductors.items()
        )
        self._screen.heading("The service stays up")
        self._screen.block(
            f"""export OS_AUTH_TYPE=none OS_ENDPOINT={cluster.api.url}
openstack baremetal conductor list
openstack baremetal node list --fields name conductor provision_state

{pids}
Logs: {cluster.state_dir / "log"}
PostgreSQL's files, to be removed in the end: {data}

Stop it: ./tools/demo --stop {cluster.state_dir}"""
        )


def _stage(
    arguments: argparse.Namespace,
) -> Callable[[Screen, Path], _Stage]:
    if arguments.conductors:
        return _ConductorsStage
    return _InspectionStage if arguments.inspection else _CloudStage


def _end(screen: Screen, stage: _Stage) -> None:
    started = time.monotonic()
    stage.stop()
    screen.did(f"all stopped in {time.monotonic() - started:.1f} s")


if __name__ == "__main__":
    main()
