# SPDX-License-Identifier: Apache-2.0
"""A host of virtual machines: a real sshd, a real libvirtd, a real qemu.

Both daemons are children of the test with all their files in one directory,
and need neither systemd nor root. libvirtd runs for one user (qemu:///session)
and not for the whole machine, so that it touches nothing of the system's; a
test that runs as root starts it as nobody, since root's libvirtd would be the
system's. qemu emulates the processor.
"""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any
from uuid import uuid4
from xml.sax.saxutils import escape

from tests.backend.running import LOOPBACK, free_port, until

# The user nobody of Debian and most others.
NOBODY = 65534

# 16 bit code at the start of a disk: writes "D" to the serial line, lets the
# power button be reported, waits for it asleep, and switches off (ACPI 6.5,
# section 4.8.3; SeaBIOS has the registers at 0x600).
GUEST = bytes.fromhex(
    "fb"  # sti
    "ba f8 03 b0 44 ee"  # out 0x3f8, 'D'
    "ba 02 06 b8 00 01 ef"  # out 0x602, 0x100: report the power button
    "ba 00 06"  # mov dx, 0x600
    "f4 ed f6 c4 01 74 f9"  # hlt; in ax, dx; test ah, 1; jz back to hlt
    "ba 04 06 b8 00 20 ef"  # out 0x604, 0x2000: off
    "f4 eb fd"  # hlt; back to hlt
)

# A disk that ends in an endless loop: it ignores the power button.
STUBBORN = bytes.fromhex("ba f8 03 b0 44 ee fb f4 eb fd")

_DOMAIN = """\
<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <metadata>
    <note:of xmlns:note='http://example.org/note'>K&#228;se</note:of>
  </metadata>
  <memory unit='MiB'>32</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type>{kinds}</os>
  <features><acpi/></features>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/>
      <source file='{disk}'/><target dev='hda' bus='ide'/>{disk_order}
    </disk>
    <disk type='file' device='cdrom'><target dev='hdc' bus='ide'/></disk>
    <interface type='user'>
      <model type='e1000'/><rom enabled='no'/>{net_order}
    </interface>
    <serial type='file'><source path='{serial}'/></serial>
    <graphics type='vnc' socket='{vnc}' passwd='{vnc_password}'/>
  </devices>
  <qemu:commandline><qemu:env name='OF_A_TEST' value='1'/></qemu:commandline>
</domain>
"""

VNC_PASSWORD = "vncword"


class VirtualHost:
    """Starts with the block, and leaves nothing behind."""

    def __init__(self) -> None:
        # The paths of sockets are short, and nobody has to get there.
        self.directory = Path(tempfile.mkdtemp(prefix="vh-", dir="/tmp"))
        self.port = free_port()
        self.username = getpass.getuser()
        self.sshd: subprocess.Popen[bytes] | None = None
        self.libvirtd: subprocess.Popen[bytes] | None = None
        self._vm = self.directory / "vm"
        self.uri = (
            f"qemu:///session?socket={self._vm}/run/libvirt/libvirt-sock"
        )
        self.key = self.directory / "user"
        self._stops = 0
        self._serials: dict[str, Path] = {}

    def __enter__(self) -> VirtualHost:
        try:
            self.directory.chmod(0o755)
            self._vm.mkdir()
            for name in ("run", "config", "cache", "data", "images"):
                (self._vm / name).mkdir(mode=0o700)
            self._give(self._vm, *self._vm.iterdir())
            self.start_libvirtd()
            for name in ("host", "user"):
                self.make_key(name)
            self.start_sshd()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends machines and daemons, and removes their files."""
        if self.libvirtd is not None and self.libvirtd.poll() is None:
            self.destroy_all()
        self.stop_libvirtd()
        self.stop_sshd()
        shutil.rmtree(self.directory, ignore_errors=True)

    # -- libvirtd -------------------------------------------------------------

    def _give(self, *paths: Path) -> None:
        if os.getuid() == 0:
            for path in paths:
                os.chown(path, NOBODY, NOBODY)

    def start_libvirtd(self) -> None:
        """The daemon of one user, who is never root."""
        user = {}
        if os.getuid() == 0:
            user = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        arguments: dict[str, Any] = {
            "env": {
                "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin",
                "HOME": str(self._vm),
                "XDG_RUNTIME_DIR": str(self._vm / "run"),
                "XDG_CONFIG_HOME": str(self._vm / "config"),
                "XDG_CACHE_HOME": str(self._vm / "cache"),
                "XDG_DATA_HOME": str(self._vm / "data"),
                "LC_ALL": "C",
            },
            "cwd": self._vm,
            "start_new_session": True,
            "stdin": subprocess.DEVNULL,
        }
        with (self.directory / "libvirtd.log").open("ab") as log:
            self.libvirtd = subprocess.Popen(
                ["/usr/sbin/libvirtd"],
                stdout=log,
                stderr=log,
                **arguments,
                **user,
            )
        until(self._libvirt_answers, 60, "libvirtd to answer")

    def _libvirt_answers(self) -> bool:
        assert self.libvirtd is not None
        if self.libvirtd.poll() is not None:
            raise RuntimeError(self._said())
        asked = subprocess.run(
            ["virsh", "-c", self.uri, "uri"],
            check=False,
            capture_output=True,
            timeout=30,
        )
        return asked.returncode == 0

    def _said(self) -> str:
        return (self.directory / "libvirtd.log").read_text()

    def stop_libvirtd(self) -> None:
        """Machines go on."""
        _end(self.libvirtd)
        self.libvirtd = None

    def virsh(self, *words: str) -> str:
        """What virsh says to somebody who is on the host."""
        return subprocess.run(
            ["virsh", "--quiet", "-c", self.uri, *words],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, "LC_ALL": "C"},
        ).stdout.strip()

    # -- machines -------------------------------------------------------------

    def define(
        self, name: str, code: bytes = GUEST, numbered: bool = False
    ) -> str:
        """A machine that is off and boots its disk; its uuid."""
        uuid = str(uuid4())
        disk = self._vm / "images" / f"{len(list(self._images()))}.img"
        disk.write_bytes(code.ljust(510, b"\0") + b"\x55\xaa")
        os.truncate(disk, 1024 * 1024)
        self._give(disk)
        xml = self.directory / "domain.xml"
        xml.write_text(
            _DOMAIN.format(
                name=escape(name),
                uuid=uuid,
                disk=disk,
                serial=disk.with_suffix(".serial"),
                vnc=disk.with_suffix(".vnc"),
                vnc_password=VNC_PASSWORD,
                kinds="" if numbered else "<boot dev='hd'/>",
                disk_order="<boot order='2'/>" if numbered else "",
                net_order="<boot order='5'/>" if numbered else "",
            )
        )
        self.virsh("define", str(xml))
        assert self.state(uuid) == "shut off", self._said()
        self._serials[uuid] = disk.with_suffix(".serial")
        return uuid

    def _images(self) -> list[Path]:
        return list((self._vm / "images").glob("*.img"))

    def boots(self, uuid: str) -> int:
        """How often the machine has booted its disk since it was started."""
        try:
            return self._serials[uuid].read_bytes().count(b"D")
        except FileNotFoundError:
            return 0

    def destroy_all(self) -> None:
        """Pull all plugs."""
        for uuid in self.virsh("list", "--uuid").split():
            self.virsh("destroy", uuid)

    def remove(self, *uuids: str) -> None:
        for uuid in uuids:
            self.virsh("destroy", uuid)
            self.virsh("undefine", "--managed-save", uuid)

    def state(self, uuid: str) -> str:
        return self.virsh("domstate", uuid)

    def xml(self, uuid: str, *words: str) -> str:
        return self.virsh("dumpxml", uuid, *words)

    # -- sshd -----------------------------------------------------------------

    def make_key(self, name: str) -> None:
        """A new key pair in the files ``name`` and ``name.pub``."""
        for old in (self.directory / name, self.directory / f"{name}.pub"):
            old.unlink(missing_ok=True)
        subprocess.run(
            [
                *("ssh-keygen", "-q", "-t", "ed25519", "-N", ""),
                *("-C", "a key", "-f", str(self.directory / name)),
            ],
            check=True,
            timeout=30,
        )

    def start_sshd(self) -> None:
        """It lets the test's own user in, by the key ``user``."""
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        configuration = self.directory / "sshd.conf"
        configuration.write_text(
            f"ListenAddress {LOOPBACK}\n"
            f"Port {self.port}\n"
            f"HostKey {self.directory}/host\n"
            f"AuthorizedKeysFile {self.directory}/user.pub\n"
            "PidFile none\n"
            "StrictModes no\n"
            "UsePAM no\n"
            "PasswordAuthentication no\n"
            "KbdInteractiveAuthentication no\n"
            "PermitRootLogin prohibit-password\n"
            # No start-up files of the user's shell.
            f"SetEnv HOME={self.directory}\n"
        )
        log = self.directory / "sshd.log"
        self.sshd = subprocess.Popen(
            ["/usr/sbin/sshd", "-D", "-f", str(configuration), "-E", str(log)],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        until(self._sshd_listens, 30, "sshd to listen")

    def _sshd_listens(self) -> bool:
        assert self.sshd is not None
        log = self.directory / "sshd.log"
        text = log.read_text() if log.exists() else ""
        if self.sshd.poll() is not None:
            raise RuntimeError(text)
        return text.count("Server listening") > self._stops

    def stop_sshd(self) -> None:
        """Nobody gets in any more."""
        _end(self.sshd)
        self.sshd = None
        self._stops += 1

    # -- for nodes ------------------------------------------------------------

    @property
    def host_key(self) -> str:
        return (self.directory / "host.pub").read_text().strip()

    def driver_info(self, machine: str, **more: Any) -> Mapping[str, Any]:
        """Of a node that is this machine; without ``ssh_host_key``."""
        return {
            "ssh_address": LOOPBACK,
            "ssh_port": self.port,
            "ssh_username": self.username,
            "ssh_key_contents": self.key.read_text(),
            "ssh_virt_type": "virsh",
            "ssh_libvirt_uri": self.uri,
            "ssh_vm_name": machine,
            **more,
        }


def _end(process: subprocess.Popen[bytes] | None) -> None:
    """Ask it to leave, with all that it started in its group."""
    if process is None or process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(15)


def eventually(condition: Any, seconds: float = 15) -> bool:
    """Whether it comes true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True
