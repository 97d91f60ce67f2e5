# SPDX-License-Identifier: Apache-2.0
"""Interfaces ``ssh`` on a real sshd, a real libvirt, and machines of qemu.

The machines run some bytes of code that report each boot and heed the power
button, or don't: ``virtual_host`` has them.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from baremetal_backend.conf.power_sync import PowerSettings
from baremetal_backend.conf.settings import Settings
from baremetal_backend.conf.ssh import SshSettings
from baremetal_backend.core.errors import HardwareFailed
from baremetal_backend.core.records import Node
from baremetal_backend.drivers.ssh.client import SshClient
from baremetal_backend.drivers.ssh.errors import (
    AccessDenied,
    HostKeyRefused,
    LibvirtUnavailable,
    Refused,
    ToolMissing,
    Unfinished,
    UnknownMachine,
    Unreachable,
)
from baremetal_backend.drivers.ssh.management import SshManagement
from baremetal_backend.drivers.ssh.power import SshPower
from baremetal_backend.storage import DatabaseOptions
from tests.functional.ssh.virtual_host import (
    STUBBORN,
    VNC_PASSWORD,
    VirtualHost,
    eventually,
)

ON, OFF = "power on", "power off"
SHUT_OFF, RUNNING = "shut off", "running"


class Killed(BaseException):
    """The conductor died."""


class Task:
    """A node in exclusive use, kept as a database would keep it."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.driver: Any = None

    def save(self, **changes: Any) -> Node:
        stored = json.loads(json.dumps(changes))
        self.node = dataclasses.replace(self.node, **stored)
        return self.node


class Conductor:
    """The interfaces of one process."""

    def __init__(self, host: VirtualHost, **options: Any) -> None:
        self.host = host
        given: dict[str, Any] = {
            "known_hosts": str(host.directory / "known_hosts"),
            "key_directory": str(host.directory),
            "command_timeout": 10.0,
        }
        settings = Settings(
            "h",
            "/tmp",
            DatabaseOptions("sqlite://"),
            power=PowerSettings(power_state_change_timeout=15),
            ssh=SshSettings(**given | options),
        )
        self.client = SshClient(settings)
        self.client.start()
        self.power = SshPower(settings, self.client)
        self.management = SshManagement(settings, self.client)

    def node(self, machine: str, **more: Any) -> Task:
        info = {"ssh_host_key": self.host.host_key, **more}
        info = dict(self.host.driver_info(machine, **info))
        return Task(Node(uuid="u", driver="pxe_ssh", driver_info=info))

    def run(self, progress: Any) -> float:
        """Do long work; how long it took."""
        began = time.monotonic()
        for pause in progress or ():
            time.sleep(pause.seconds)
        return time.monotonic() - began

    def switch(self, task: Task, *states: str) -> None:
        for state in states:
            self.run(self.power.set_power_state(task, state))

    def state(self, task: Task) -> str:
        return self.power.get_power_state(task.node)

    def boot_from(self, task: Task, device: str, persistent: bool) -> None:
        self.run(self.management.set_boot_device(task, device, persistent))


@pytest.fixture
def conductor(host: VirtualHost) -> Iterator[Conductor]:
    found = Conductor(host)
    yield found
    found.client.stop()
    host.destroy_all()


@pytest.fixture
def machine(host: VirtualHost) -> Iterator[str]:
    """The uuid of ``one``, which heeds the power button."""
    uuid = host.define("one")
    yield uuid
    host.remove(uuid)


def boots(xml: str) -> list[str]:
    found = ElementTree.fromstring(xml).findall("./os/boot")
    return [str(one.get("dev")) for one in found]


# -- power --------------------------------------------------------------------


def test_a_machine_is_switched_on_and_off(conductor, host, machine):
    task = conductor.node("one")
    conductor.run(conductor.power.verify(task))
    assert conductor.state(task) == OFF
    conductor.switch(task, ON)
    assert host.state(machine) == RUNNING
    assert eventually(lambda: host.boots(machine) == 1)
    conductor.switch(task, ON)
    conductor.switch(task, OFF, OFF)
    assert host.state(machine) == SHUT_OFF
    assert host.boots(machine) == 1


def test_a_reboot_boots_again(conductor, host, machine):
    task = conductor.node("one")
    conductor.switch(task, ON)
    before = host.xml(machine).split("id='")[1].split("'")[0]
    conductor.run(conductor.power.reboot(task))
    assert host.xml(machine).split("id='")[1].split("'")[0] != before


def test_a_reset_boots_again_without_being_off(conductor, host, machine):
    task = conductor.node("one")
    task.save(disable_power_off=True)
    conductor.switch(task, ON)
    before = host.xml(machine).split("id='")[1].split("'")[0]
    assert eventually(lambda: host.boots(machine) == 1)
    conductor.run(conductor.power.reboot(task))
    assert eventually(lambda: host.boots(machine) == 2)
    assert host.xml(machine).split("id='")[1].split("'")[0] == before


def test_a_system_that_heeds_the_power_button_shuts_down(
    conductor, host, machine
):
    task = conductor.node("one")
    conductor.switch(task, ON)
    assert eventually(lambda: host.boots(machine) == 1)
    conductor.run(conductor.power.soft_power_off(task, 30))
    assert host.state(machine) == SHUT_OFF
    conductor.run(conductor.power.soft_power_off(task, 30))


def test_a_system_that_does_not_is_left_running(conductor, host):
    uuid = host.define("stubborn", STUBBORN)
    task = conductor.node("stubborn")
    conductor.switch(task, ON)
    with pytest.raises(HardwareFailed, match="did not shut down") as caught:
        conductor.run(conductor.power.soft_power_off(task, 3))
    assert "within 3 s; it last showed power on." in caught.value.message
    assert host.state(uuid) == RUNNING


def test_a_paused_machine_is_on_and_can_be_switched_off(
    conductor, host, machine
):
    task = conductor.node("one")
    conductor.switch(task, ON)
    host.virsh("suspend", machine)
    assert host.state(machine) == "paused"
    assert conductor.state(task) == ON
    conductor.switch(task, OFF)
    assert host.state(machine) == SHUT_OFF


def test_an_interrupt_gets_through_while_the_machine_is_on(
    conductor, host, machine
):
    task = conductor.node("one")
    with pytest.raises(Refused, match="virsh inject-nmi failed: error:"):
        conductor.run(conductor.management.inject_nmi(task))
    conductor.switch(task, ON)
    conductor.run(conductor.management.inject_nmi(task))


# -- boot device --------------------------------------------------------------


def without_boot(xml: str) -> str:
    """A definition, but for what it boots from."""
    root = ElementTree.fromstring(xml)
    for parent in root.iter():
        for boot in parent.findall("boot"):
            parent.remove(boot)
    for text in root.iter():
        text.text = (text.text or "").strip()
        text.tail = ""
    return ElementTree.canonicalize(ElementTree.tostring(root))


def test_a_device_for_good_changes_the_definition_and_nothing_else(
    conductor, host, machine
):
    shown = ("--inactive", "--security-info")
    task, before = conductor.node("one"), host.xml(machine, *shown)
    assert conductor.management.get_boot_device(task.node) == ("disk", True)
    for device, order in (
        ("pxe", ["network", "hd"]),
        ("cdrom", ["cdrom", "network", "hd"]),
        ("disk", ["hd", "cdrom", "network"]),
    ):
        conductor.boot_from(task, device, True)
        after = host.xml(machine, *shown)
        assert boots(after) == order
        assert conductor.management.get_boot_device(task.node) == (
            device,
            True,
        )
        assert without_boot(after) == without_boot(before)
        assert f"passwd='{VNC_PASSWORD}'" in after
        assert "Käse" in after


def test_a_device_for_one_boot_holds_for_one_boot(conductor, host, machine):
    task = conductor.node("one")
    before = host.xml(machine, "--inactive", "--security-info")
    conductor.boot_from(task, "pxe", False)
    assert conductor.management.get_boot_device(task.node) == ("pxe", False)
    conductor.switch(task, ON)
    assert boots(host.xml(machine)) == ["network", "hd"]
    assert host.xml(machine, "--inactive", "--security-info") == before
    # Nothing answers on the network: then it is the disk's turn.
    assert eventually(lambda: host.boots(machine) == 1)
    conductor.run(conductor.power.reboot(task))
    assert boots(host.xml(machine)) == ["hd"]
    assert task.node.driver_internal_info == {}


def test_numbers_of_single_devices_are_put_back(conductor, host):
    uuid = host.define("numbered", numbered=True)
    task = conductor.node("numbered")
    before = host.xml(uuid, "--inactive", "--security-info")
    assert "<boot order='5'/>" in before
    conductor.boot_from(task, "cdrom", False)
    conductor.switch(task, ON)
    assert boots(host.xml(uuid)) == ["cdrom", "hd", "network"]
    assert host.xml(uuid, "--inactive", "--security-info") == before


def test_a_machine_that_was_saved_boots_afresh_from_the_device(
    conductor, host, machine
):
    task = conductor.node("one")
    conductor.switch(task, ON)
    assert eventually(lambda: host.boots(machine) == 1)
    host.virsh("managedsave", machine)
    assert host.state(machine) == SHUT_OFF
    conductor.boot_from(task, "cdrom", False)
    conductor.switch(task, ON)
    assert boots(host.xml(machine)) == ["cdrom", "hd"]
    # Had it been resumed, it would not have booted since it was started.
    assert eventually(lambda: host.boots(machine) == 1)


@pytest.mark.parametrize(
    "last", [("define", 1), ("start", 1), ("define", 2)], ids=str
)
def test_the_next_conductor_puts_back_what_a_dead_one_left(
    conductor, host, machine, monkeypatch, last
):
    word, number = last
    task = conductor.node("one")
    before = host.xml(machine, "--inactive", "--security-info")
    conductor.boot_from(task, "pxe", False)
    sent: list[str] = []
    session_of = type(conductor.client).session

    def mortal(client: SshClient, to: Any) -> Any:
        made = session_of(client, to)

        class Mortal:
            def __enter__(self) -> Any:
                session = made.__enter__()
                run = session.run

                def dying(tried: str, *given: Any) -> Any:
                    ended = run(tried, *given)
                    sent.append(tried)
                    if sent.count(f"virsh {word}") == number:
                        raise Killed
                    return ended

                session.run = dying
                return session

            def __exit__(self, *given: Any) -> Any:
                return made.__exit__(*given)

        return Mortal()

    with monkeypatch.context() as patched:
        patched.setattr(SshClient, "session", mortal)
        with pytest.raises(Killed):
            conductor.switch(task, ON)
    successor = Conductor(host)
    assert successor.management.get_boot_device(task.node) == ("disk", True)
    successor.switch(task, OFF, ON)
    assert boots(host.xml(machine)) == ["hd"]
    assert host.xml(machine, "--inactive", "--security-info") == before
    assert task.node.driver_internal_info == {}


# -- names --------------------------------------------------------------------


# libvirt takes no "/" in a name: commands would write where they stand.
NAMES = ("x' ; touch escaped ; '", "$(touch escaped)", "--help", "1", "Käse")


def test_names_do_nothing_but_name(conductor, host, machine):
    # It runs, and has the number 1 or more: virsh would take "1" for it.
    host.virsh("start", machine)
    for name in NAMES:
        uuid = host.define(name)
        task = conductor.node(name)
        assert conductor.state(task) == OFF
        conductor.switch(task, ON)
        assert host.state(uuid) == RUNNING
        conductor.switch(task, OFF)
        assert host.state(uuid) == SHUT_OFF
        host.remove(uuid)
    assert host.state(machine) == RUNNING
    assert not (Path.home() / "escaped").exists()
    assert not (host.directory / "escaped").exists()


def test_a_machine_is_found_by_its_uuid(conductor, host, machine):
    task = conductor.node(machine.upper())
    conductor.switch(task, ON)
    assert host.state(machine) == RUNNING


def test_an_unknown_machine_is_an_error_of_its_own(conductor, machine):
    with pytest.raises(UnknownMachine, match="'two' "):
        conductor.state(conductor.node("two"))


def test_a_machine_that_would_vanish_when_off_is_not_switched(
    conductor, host, machine
):
    conductor.switch(conductor.node("one"), ON)
    host.virsh("undefine", machine)
    assert host.state(machine) == RUNNING
    with pytest.raises(UnknownMachine):
        conductor.switch(conductor.node("one"), OFF)
    assert host.state(machine) == RUNNING


# -- libvirt that fails -------------------------------------------------------


def test_libvirt_that_is_gone_is_said_and_waited_for(conductor, host, machine):
    task = conductor.node("one")
    host.stop_libvirtd()
    try:
        with pytest.raises(LibvirtUnavailable, match="virsh list failed: err"):
            conductor.state(task)
        returning = threading.Timer(3, host.start_libvirtd)
        returning.start()
        conductor.switch(task, ON)
        returning.join(60)
        assert host.state(machine) == RUNNING
    finally:
        if host.libvirtd is None:
            host.start_libvirtd()


def test_libvirt_that_hangs_costs_a_deadline_and_leaves_no_process(
    host, machine
):
    conductor = Conductor(host, command_timeout=1.0)
    task = conductor.node("one")
    assert host.libvirtd is not None
    os.kill(host.libvirtd.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        with pytest.raises(Unfinished, match="did not end in time"):
            conductor.state(task)
        assert time.monotonic() - began < 10
    finally:
        os.kill(host.libvirtd.pid, signal.SIGCONT)
    found = subprocess.run(
        ["pgrep", "-f", f"virsh --quiet --connect {host.uri}"],
        check=False,
        capture_output=True,
        timeout=30,
    )
    assert found.stdout == b""
    assert conductor.state(task) == OFF


def test_a_host_without_virsh_says_so(conductor, host, machine, monkeypatch):
    monkeypatch.setattr(
        "baremetal_backend.drivers.ssh.virsh._PROGRAM", "no-such-virsh"
    )
    with pytest.raises(ToolMissing, match="no-such-virsh"):
        conductor.state(conductor.node("one"))


# -- sshd ---------------------------------------------------------------------


@pytest.fixture
def known_hosts(host: VirtualHost) -> Iterator[Path]:
    path = host.directory / "known_hosts"
    yield path
    path.unlink(missing_ok=True)


def test_a_host_that_nobody_knows_is_refused(conductor, machine):
    task = conductor.node("one", ssh_host_key=None)
    with pytest.raises(HostKeyRefused, match="nobody gave the host's key"):
        conductor.state(task)


@pytest.mark.parametrize("hashed", [False, True])
def test_known_hosts_as_openssh_writes_them_will_do(
    conductor, host, machine, known_hosts, hashed
):
    scanned = subprocess.run(
        ["ssh-keyscan", "-p", str(host.port), "127.0.0.1"],
        check=True,
        capture_output=True,
        timeout=30,
    )
    known_hosts.write_bytes(scanned.stdout)
    if hashed:
        subprocess.run(
            ["ssh-keygen", "-q", "-H", "-f", str(known_hosts)],
            check=True,
            capture_output=True,
            timeout=30,
        )
        assert "127.0.0.1" not in known_hosts.read_text()
    task = conductor.node("one", ssh_host_key=None)
    assert conductor.state(task) == OFF


def test_a_host_with_a_new_key_is_refused_until_its_key_is_given(
    conductor, host, machine
):
    task = conductor.node("one")
    assert conductor.state(task) == OFF
    host.stop_sshd()
    host.make_key("host")
    host.start_sshd()
    with pytest.raises(HostKeyRefused, match="another key"):
        conductor.state(task)
    accepting = Conductor(host, host_key_policy="accept")
    with pytest.raises(HostKeyRefused, match="another key"):
        accepting.state(task)
    unknown = accepting.node("one", ssh_host_key=None)
    assert accepting.state(unknown) == OFF
    assert conductor.state(conductor.node("one")) == OFF


def test_a_key_in_a_file_lets_in(conductor, machine):
    task = conductor.node(
        "one", ssh_key_contents=None, ssh_key_filename="user"
    )
    assert conductor.state(task) == OFF


def test_another_key_does_not_let_in(conductor, host, machine):
    host.make_key("stranger")
    task = conductor.node(
        "one", ssh_key_contents=None, ssh_key_filename="stranger"
    )
    with pytest.raises(AccessDenied, match="the host refused the user"):
        conductor.state(task)


def test_a_host_that_takes_no_passwords_says_so(conductor, machine):
    task = conductor.node("one", ssh_key_contents=None, ssh_password="x")
    with pytest.raises(AccessDenied):
        conductor.state(task)


def test_a_host_that_restarts_is_waited_for(conductor, host, machine):
    task = conductor.node("one")
    host.stop_sshd()
    with pytest.raises(Unreachable, match="Connection refused"):
        conductor.state(task)
    returning = threading.Timer(3, host.start_sshd)
    returning.start()
    conductor.switch(task, ON)
    returning.join(60)
    assert host.state(machine) == RUNNING


def test_a_host_that_hangs_costs_a_deadline(host, machine):
    conductor = Conductor(host, connect_timeout=2.0)
    assert host.sshd is not None
    os.kill(host.sshd.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        with pytest.raises(Unreachable, match="no answer within 2 s"):
            conductor.state(conductor.node("one"))
        assert time.monotonic() - began < 5
    finally:
        os.kill(host.sshd.pid, signal.SIGCONT)


def test_twenty_machines_are_asked_at_once(conductor, host, machine, capsys):
    tasks = [conductor.node("one") for _ in range(20)]
    seen: list[str] = []
    threads = [
        threading.Thread(target=lambda t=t: seen.append(conductor.state(t)))
        for t in tasks
    ]
    began, cpu = time.monotonic(), time.process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert seen == [OFF] * 20
    with capsys.disabled():
        print(
            f"\n20 questions: {time.monotonic() - began:.2f} s, "
            f"{(time.process_time() - cpu) / 20 * 1000:.0f} ms of CPU each"
        )


def test_no_secret_is_logged(conductor, host, machine, caplog):
    caplog.set_level(logging.DEBUG)
    task = conductor.node("one")
    conductor.boot_from(task, "pxe", False)
    conductor.switch(task, ON)
    lines = host.key.read_text().splitlines()[1:-1]
    assert lines
    assert not any(line in caplog.text for line in lines)
    assert VNC_PASSWORD not in caplog.text


def test_nothing_is_left_behind():
    def ours() -> list[str]:
        return [
            one.name
            for one in threading.enumerate()
            if one.name.startswith("baremetal-ssh")
        ]

    assert eventually(lambda: not ours()), ours()
