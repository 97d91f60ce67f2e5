# SPDX-License-Identifier: Apache-2.0
"""Programs that find the driver, and starts that are refused in time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import nova
import pytest

from lab.cloud import Cloud
from lab.compute import PLUGIN_PROGRAM, Compute
from lab.nova import THREADS
from lab.programs import program

CHECKOUT = Path(__file__).resolve().parents[3]
#: What an installation needs of the checkout.
SOURCES = (
    "setup.cfg",
    "setup.py",
    "pyproject.toml",
    "requirements.txt",
    "README.rst",
    "LICENSE",
    "nova",
    "nova_ironic_partition",
    "baremetal_backend",
)
#: Seconds in which a refused service must be gone.
GONE_WITHIN = 60.0

#: Host -> options of its file, and what its log must say.
REFUSED = {
    "own-missing": (
        {"peer_list": ["c1", "c2"]},
        ("[ironic]peer_list", "Add own-missing"),
    ),
    "no-peers": (
        {"peer_list": []},
        ("[ironic]peer_list", "List the hosts"),
    ),
    "bad-key": (
        {"peer_list": ["bad-key"], "partition_key": "rack a!"},
        ("partition_key", "rack a!"),
    ),
}


@pytest.fixture(scope="module")
def refused(cloud: Cloud) -> Iterator[dict[str, Compute]]:
    """Services with a bad configuration, all started at once."""
    computes = {}
    for host, (options, _) in REFUSED.items():
        computes[host] = cloud.add_compute(host)
        computes[host].write_config(**options)
        computes[host].start()
    yield computes
    for compute in computes.values():
        compute.process.stop()


@pytest.mark.parametrize("host", REFUSED)
def test_a_bad_configuration_stops_the_service_with_its_reason(
    refused: dict[str, Compute], host: str
) -> None:
    compute = refused[host]

    status = compute.process.wait_ended(GONE_WITHIN)

    assert status != 0
    errors = [
        line
        for line in compute.log_text().splitlines()
        if " ERROR nova_ironic_partition" in line
    ]
    (error,) = errors
    for text in REFUSED[host][1]:
        assert text in error


def test_the_plugins_own_program_finds_the_driver(cloud: Cloud) -> None:
    compute = cloud.compute("c1")

    assert Path(program(PLUGIN_PROGRAM)).exists()
    assert "Partition sweep" in compute.log_text()


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site directory with nova and the plugin, as ``pip install .`` does.

    The distribution is built and unpacked by pip; nova is copied from the
    environment of the tests, and all else is found there.
    """
    source = tmp_path_factory.mktemp("source")
    for name in SOURCES:
        path = CHECKOUT / name
        if path.is_dir():
            shutil.copytree(path, source / name)
        else:
            shutil.copy(path, source / name)
    site = tmp_path_factory.mktemp("site")
    shutil.copytree(
        Path(nova.__file__).parent,
        site / "nova",
        ignore=shutil.ignore_patterns("tests", "__pycache__", "locale"),
    )
    built = tmp_path_factory.mktemp("wheel")
    run_pip("wheel", "--no-deps", f"--wheel-dir={built}", str(source))
    (wheel,) = built.glob("*.whl")
    shutil.unpack_archive(wheel, site, "zip")
    return site


def run_pip(*arguments: str) -> None:
    """Run pip, and show what it said if it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", *arguments],
        env={**os.environ, "PBR_VERSION": "0.1.0"},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_distribution_brings_no_package_named_nova(installed: Path) -> None:
    original = Path(nova.__file__).read_bytes()

    assert (installed / "nova" / "__init__.py").read_bytes() == original
    assert (installed / "nova/virt/ironic_partition/__init__.py").exists()


#: Nova judges a malformed key before it loads any driver.
STOCK_SAYS = {
    "own-missing": "Refusing to start. [ironic]peer_list",
    "bad-key": "rack a!",
}


@pytest.mark.parametrize("host", STOCK_SAYS)
def test_the_stock_nova_compute_finds_an_installed_driver(
    cloud: Cloud, installed: Path, refused: dict[str, Compute], host: str
) -> None:
    # A refusal shows that the driver was loaded, and ends the process.
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            # In front of the directory where the tests found nova, and
            # without the finder of an editable installation.
            f"import sys; sys.path.insert(0, {str(installed)!r}); "
            "sys.meta_path[:] = [f for f in sys.meta_path "
            "if 'editable' not in getattr(f, '__module__', str(f))]; "
            "from nova.cmd.compute import main; main()",
            f"--config-file={cloud.nova.conf}",
            f"--config-file={refused[host].conf}",
        ],
        env={
            **{k: v for k, v in os.environ.items() if "PYTHON" not in k},
            **THREADS,
        },
        cwd=installed,
        capture_output=True,
        text=True,
        check=False,
        timeout=GONE_WITHIN,
    )

    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert STOCK_SAYS[host] in said
    assert "Unable to load the virtualization driver" not in said


def test_the_stock_nova_compute_misses_a_driver_that_is_elsewhere(
    cloud: Cloud, refused: dict[str, Compute], tmp_path: Path
) -> None:
    """What the plugin's own program is for: an editable installation."""
    done = subprocess.run(
        [
            sys.executable,
            "-P",
            "-c",
            "from nova.cmd.compute import main; main()",
            f"--config-file={cloud.nova.conf}",
            f"--config-file={refused['own-missing'].conf}",
        ],
        env={**os.environ, **THREADS},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=GONE_WITHIN,
    )

    said = done.stdout + done.stderr
    if Path(sysconfig.get_path("purelib"), "nova_ironic_partition").exists():
        assert "Refusing to start. [ironic]peer_list" in said
    else:
        assert "Unable to load the virtualization driver" in said
