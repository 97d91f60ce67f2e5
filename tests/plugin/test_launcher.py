# SPDX-License-Identifier: Apache-2.0
"""The command that makes nova find the driver."""

import configparser
import subprocess
import sys
from pathlib import Path

from nova_ironic_partition import launcher

ROOT = Path(__file__).resolve().parents[2]


def python(code, **options):
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        cwd="/",
        check=False,
        **options,
    )


def test_nova_imports_the_driver_by_its_configured_name():
    code = (
        "from nova_ironic_partition import launcher\n"
        "launcher.make_driver_importable()\n"
        "launcher.make_driver_importable()\n"
        "from oslo_utils import importutils\n"
        "print(importutils.import_class('nova.virt.' + launcher.DRIVER))\n"
    )
    result = python(code)
    assert result.stdout.strip() == (
        "<class 'nova_ironic_partition.driver.IronicPartitionDriver'>"
    ), result.stderr


def test_without_nova_it_says_what_to_install():
    code = (
        "import sys\n"
        "sys.modules['nova'] = None\n"
        "from nova_ironic_partition import launcher\n"
        "sys.exit(launcher.main())\n"
    )
    result = python(code)
    assert result.returncode == 1
    assert "nova is not installed" in result.stderr
    assert "Traceback" not in result.stderr


def test_it_takes_the_options_of_nova_compute():
    result = python(
        "import sys\n"
        "sys.argv = ['nova-compute', '--help']\n"
        "from nova_ironic_partition import launcher\n"
        "launcher.main()\n"
    )
    assert result.returncode == 0
    assert "--config-file" in result.stdout


def test_the_driver_counts_as_ironic_for_nova():
    """Nova looks for the word to tell one-host-many-nodes drivers."""
    assert "ironic" in launcher.DRIVER.lower()


def test_no_package_of_nova_itself_is_shipped():
    shipped = sorted(
        str(path.relative_to(ROOT)) for path in (ROOT / "nova").rglob("*.py")
    )
    assert shipped == ["nova/virt/ironic_partition/__init__.py"]


def test_a_compute_host_installs_nothing_of_the_backend():
    """And a backend host nothing of nova."""
    base = (ROOT / "requirements.txt").read_text().lower()
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    backend = setup["extras"]["backend"].lower()
    for name in ("sqlalchemy", "falcon", "alembic", "nova>"):
        assert name not in base
    assert "nova>" not in backend
    assert "sqlalchemy" in backend
