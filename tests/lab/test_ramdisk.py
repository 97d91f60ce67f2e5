# SPDX-License-Identifier: Apache-2.0
"""The inspection ramdisk: its kernel, its order of drivers, its script."""

from __future__ import annotations

import re
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.inspection import ramdisk
from lab.inspection.ramdisk import RamdiskFailed

INIT = ramdisk.INIT.read_text()
UNKNOWN, EXTENDED = 0xFFFF, 0x7FFF


def module(*needed: str) -> bytes:
    """What a module's file has in it, as far as it matters."""
    return (
        b"\x7fELF\0license=GPL\0depends=%s\0more" % ",".join(needed).encode()
    )


def test_a_module_comes_after_what_it_needs() -> None:
    modules = {
        "card": module("bus", "library-of-it"),
        "bus": module("library_of_it"),
        "library_of_it": module(),
        "other": module("card"),
    }

    order = ramdisk.load_order(["card"], modules)

    assert order == ["library_of_it", "bus", "card"]


def test_what_is_no_module_is_taken_for_a_part_of_the_kernel() -> None:
    assert ramdisk.load_order(["card"], {"card": module("built_in")}) == [
        "card"
    ]


def test_the_boot_script_names_the_nic_and_the_place_to_report_to() -> None:
    script = ramdisk.boot_script("http://10.0.2.2:5050/v1/continue")

    (kernel,) = [
        line for line in script.splitlines() if line.startswith("kernel ")
    ]
    assert script.startswith("#!ipxe\n")
    assert "BOOTIF=01-${netX/mac:hexhyp}" in kernel
    assert kernel.endswith(
        "ipa-inspection-callback-url=http://10.0.2.2:5050/v1/continue"
    )


@pytest.fixture
def programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, str], None]:
    """Puts a shell script in place of a program; there are no others."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def put(name: str, script: str) -> None:
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)

    return put


def test_packages_that_can_not_be_had_are_told_in_a_sentence(
    programs: Callable[[str, str], None], tmp_path: Path
) -> None:
    programs("apt-cache", "echo '  Depends: linux-image-9-cloud-amd64'")
    programs("apt-get", "echo 'E: Temporary failure resolving' >&2; exit 100")
    programs("sudo", "exit 1")

    with pytest.raises(RamdiskFailed) as failed:
        ramdisk.fetch(tmp_path / "cache")

    said = str(failed.value)
    assert ramdisk.KERNEL in said
    assert "Make apt's mirror reachable" in said
    assert list((tmp_path / "cache").iterdir()) == []


def test_lists_that_are_out_of_date_are_updated_once(
    programs: Callable[[str, str], None], tmp_path: Path
) -> None:
    programs("apt-cache", "echo '  Depends: linux-image-9-cloud-amd64'")
    calls = tmp_path / "calls"
    programs("apt-get", f'echo "$1" >>{calls}; [ "$1" = update ]')
    programs("sudo", 'shift; exec "$@"')

    with pytest.raises(RamdiskFailed):
        ramdisk.fetch(tmp_path / "cache")

    assert calls.read_text().split() == ["download", "update", "download"]


def test_what_is_kept_needs_no_network(
    programs: Callable[[str, str], None], tmp_path: Path
) -> None:
    kept = tmp_path / "linux-image-9-cloud-amd64_9.1_amd64"
    kept.mkdir()
    (kept / "order").write_text("a.ko\nb.ko\n")

    parts = ramdisk.fetch(tmp_path)

    assert parts.kernel == kept / "kernel"
    assert parts.drivers == (kept / "a.ko", kept / "b.ko")


def memory_module(size: int, extended: int = 0) -> bytes:
    """An entry of the firmware's table: a slot for memory."""
    fixed = struct.pack("<BBH8xH14xI8x", 17, 40, 0x1100, size, extended)
    return fixed + b"DIMM 0\0QEMU\0\0"


def memory_mb(*entries: bytes) -> int:
    """What the ramdisk makes of such a table."""
    found = re.search(r"^memory_mb\(\) \{\n.*?^\}\n", INIT, re.M | re.S)
    assert found
    # The firmware's own entry first, and its mark of the end last.
    table = b"\0\x18\0\0" + bytes(20) + b"SeaBIOS\0\0"
    table += b"".join(entries) + b"\x7f\x04\0\x7f\0\0"
    done = subprocess.run(
        ["sh", "-c", f"{found[0]}\nmemory_mb"],
        input=table,
        capture_output=True,
        timeout=30,
        check=True,
    )
    return int(done.stdout)


@pytest.mark.parametrize(
    ("entries", "total"),
    [
        ([memory_module(512)], 512),
        ([memory_module(16384)] * 4, 65536),
        ([memory_module(EXTENDED, 65536), memory_module(0)], 65536),
        ([memory_module(0x8000 | 2048)], 2),
        ([memory_module(UNKNOWN), memory_module(1024)], 1024),
        ([], 0),
    ],
    ids=["one", "four", "64 GiB and an empty slot", "KiB", "unknown", "none"],
)
def test_memory_is_what_the_firmware_says_is_built_in(
    entries: list[bytes], total: int
) -> None:
    assert memory_mb(*entries) == total


def test_the_script_is_one_that_its_shell_can_read() -> None:
    done = subprocess.run(
        ["sh", "-n", ramdisk.INIT],
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
