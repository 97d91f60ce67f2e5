# SPDX-License-Identifier: Apache-2.0
"""A small ramdisk that inspects the machine it runs on.

Made of Debian's packages: the kernel of linux-image-cloud-amd64 with the few
drivers that a virtual machine needs, busybox-static, and ``init`` beside this
file. The packages are downloaded by apt and taken apart, never installed; what
is used of them stays in a cache, so that the next run needs no network.
"""

from __future__ import annotations

import gzip
import lzma
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.schemas import default_cache

#: Program to the Debian package that has it; to be installed.
DEBIAN_PACKAGES = {"cpio": "cpio"}

#: Depends on the newest kernel for virtual machines.
KERNEL = "linux-image-cloud-amd64"
BUSYBOX = "busybox-static"

#: What the machine of lab.inspection.machine has; these bring others along.
DRIVERS = ("virtio_pci", "virtio_net", "virtio_blk")

INIT = Path(__file__).with_name("init")
CALLBACK = "ipa-inspection-callback-url"
#: What a machine is to load first, below the directory of ``build``.
BOOTFILE = "boot.ipxe"

_SECONDS = 300
_DEPENDS = re.compile(rb"\0depends=([\w,-]*)\0")


class RamdiskFailed(Exception):
    """It could not be built; the text says what to do."""


@dataclass(frozen=True)
class Parts:
    """What is used of Debian's packages; files.

    :param drivers: in an order in which they can be loaded
    """

    kernel: Path
    busybox: Path
    drivers: tuple[Path, ...]


def build(
    directory: Path, callback_url: str, cache: Path | None = None
) -> None:
    """Make a directory from which a machine can boot by iPXE and TFTP.

    :param callback_url: where the ramdisk reports to, as the machine sees it
    :param cache: of Debian's parts; None: the one of all labs
    :raises RamdiskFailed: a package is missing and can't be had
    """
    parts = fetch(cache or default_cache().with_name("ramdisk"))
    directory.mkdir(parents=True)
    shutil.copy(parts.kernel, directory / "kernel")
    (directory / "ramdisk").write_bytes(_archive(parts))
    (directory / BOOTFILE).write_text(boot_script(callback_url))


def boot_script(callback_url: str) -> str:
    """What iPXE does: both files by TFTP, from where it got this.

    ``netX`` is the NIC that it was loaded through.
    """
    words = [
        "kernel kernel",
        "initrd=ramdisk",
        "console=ttyS0",
        "quiet",
        "BOOTIF=01-${netX/mac:hexhyp}",
        f"{CALLBACK}={callback_url}",
    ]
    return "\n".join(["#!ipxe", " ".join(words), "initrd ramdisk", "boot", ""])


def fetch(cache: Path) -> Parts:
    """Debian's parts; downloaded unless the cache has them.

    :raises RamdiskFailed: it has not, and apt can't get them
    """
    kept = sorted(cache.glob("linux-image-*"))
    if not kept:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as directory:
            kept = [_download(Path(directory), cache)]
    order = (kept[-1] / "order").read_text().split()
    return Parts(
        kernel=kept[-1] / "kernel",
        busybox=kept[-1] / "busybox",
        drivers=tuple(kept[-1] / name for name in order),
    )


def _download(work: Path, cache: Path) -> Path:
    """Get the packages; keep what is needed, all of it or nothing."""
    packages = _get_packages(work)
    for package in packages:
        _run(work, "dpkg-deb", "--extract", str(package), "whole")
    kept = work / "kept"
    kept.mkdir()
    (image,) = (work / "whole" / "boot").glob("vmlinuz-*")
    shutil.copy(image, kept / "kernel")
    (busybox,) = (work / "whole").rglob("bin/busybox")
    shutil.copy(busybox, kept / "busybox")
    found = {
        re.sub(r"\.ko(\.xz)?$", "", file.name).replace("-", "_"): file
        for file in (work / "whole").rglob("*.ko*")
    }
    modules = {name: _module(file) for name, file in found.items()}
    order = load_order(DRIVERS, modules)
    for name in order:
        (kept / f"{name}.ko").write_bytes(modules[name])
    (kept / "order").write_text("".join(f"{name}.ko\n" for name in order))
    place = cache / "+".join(package.stem for package in packages)
    # Another run may have been faster.
    if not place.exists():
        kept.replace(place)
    return place


def _get_packages(work: Path) -> list[Path]:
    try:
        return _try_to_get_packages(work)
    except RamdiskFailed as error:
        # apt's lists are missing, or older than the mirror.
        update = ["apt-get", "update", "-q"]
        try:
            _run(
                work,
                *(update if os.geteuid() == 0 else ["sudo", "-n", *update]),
            )
        except RamdiskFailed:
            raise error from None
    return _try_to_get_packages(work)


def _try_to_get_packages(work: Path) -> list[Path]:
    ask = ("apt-cache", "depends", "--important", KERNEL)
    said = _run(work, *ask)
    names = re.findall(r"^ *Depends: (linux-image-\S+)", said, re.MULTILINE)
    if not names:
        raise RamdiskFailed(_sentence(ask, "there is no kernel in it"))
    _run(work, "apt-get", "download", "-q", names[0], BUSYBOX)
    return sorted(work.glob("*.deb"), reverse=True)


def _run(work: Path, *argv: str) -> str:
    try:
        done = subprocess.run(
            argv,
            cwd=work,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RamdiskFailed(_sentence(argv, str(error))) from error
    if done.returncode:
        lines = done.stderr.splitlines()
        # apt warns, too, that root downloads as root.
        errors = [line for line in lines if not line.startswith("W: ")]
        raise RamdiskFailed(_sentence(argv, " ".join(errors)))
    return done.stdout


def _sentence(argv: Iterable[str], why: str) -> str:
    return (
        f"The ramdisk is made of Debian's {KERNEL} and {BUSYBOX}, and "
        f"{' '.join(argv)!r} failed: {why or 'it did not say why'}. Make "
        "apt's mirror reachable; apt-get update helps if its lists are old."
    )


def _module(file: Path) -> bytes:
    data = file.read_bytes()
    return lzma.decompress(data) if file.suffix == ".xz" else data


def load_order(
    wanted: Iterable[str], modules: Mapping[str, bytes]
) -> list[str]:
    """Modules and all they need, each after what it needs.

    :param modules: name to the module's file; what is not there is taken for
        a part of the kernel itself
    """
    order: list[str] = []

    def add(name: str) -> None:
        if name in order or name not in modules:
            return
        for needed in needs(modules[name]):
            add(needed)
        order.append(name)

    for name in wanted:
        add(name)
    return order


def needs(module: bytes) -> list[str]:
    """The modules that a module says it depends on (section .modinfo)."""
    found = _DEPENDS.search(module)
    if not found:
        return []
    words = found[1].decode().replace("-", "_").split(",")
    return [word for word in words if word]


def _archive(parts: Parts) -> bytes:
    """The initial file system, as the kernel reads it."""
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        (root / "bin").mkdir()
        shutil.copy(parts.busybox, root / "bin" / "busybox")
        (root / "bin" / "sh").symlink_to("busybox")
        shutil.copy(INIT, root / "init")
        (root / "init").chmod(0o755)
        (root / "modules").mkdir()
        for file in parts.drivers:
            shutil.copy(file, root / "modules" / file.name)
        (root / "modules" / "order").write_text(
            "".join(f"{file.name}\n" for file in parts.drivers)
        )
        names = sorted(str(p.relative_to(root)) for p in root.rglob("*"))
        done = subprocess.run(
            ["cpio", "--create", "--format=newc", "--quiet", "--owner=+0:+0"],
            input="".join(f"{name}\n" for name in names).encode(),
            cwd=root,
            stdout=subprocess.PIPE,
            timeout=_SECONDS,
            check=True,
        )
    return gzip.compress(done.stdout)
