# SPDX-License-Identifier: Apache-2.0
"""``nova-compute-ironic-partition``: nova-compute that finds our driver.

Nova imports drivers from below ``nova.virt`` only. The module there is found
when both are installed in one directory; with an editable install, or with
distribution packages, nova may live elsewhere. This command tells Python
where to look and then runs nova-compute, with the same options.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys

import nova_ironic_partition

DRIVER = "ironic_partition.IronicPartitionDriver"


def make_driver_importable() -> None:
    """Make ``nova.virt.ironic_partition`` importable in this process.

    :raises ImportError: the plugin's files are incomplete.
    """
    virt = importlib.import_module("nova.virt")
    root = os.path.dirname(os.path.dirname(nova_ironic_partition.__file__))
    beside = os.path.join(root, "nova", "virt")
    if beside not in virt.__path__:
        virt.__path__.append(beside)
    if importlib.util.find_spec("nova.virt.ironic_partition") is None:
        raise ImportError(f"{beside}/ironic_partition is missing")


def main() -> int | None:
    """Run nova-compute; returns its exit status."""
    try:
        # First of all: it decides between native threads and eventlet.
        compute = importlib.import_module("nova.cmd.compute")
    except ModuleNotFoundError as exc:
        if (exc.name or "").partition(".")[0] != "nova":
            raise
        print(
            "nova is not installed for this Python; install nova 34, or "
            "nova-ironic-partition[compute].",
            file=sys.stderr,
        )
        return 1
    make_driver_importable()
    # Nova logs all options before it loads the driver, and would judge
    # [ironic]partition_key as an old name of its own conductor_group.
    importlib.import_module("nova_ironic_partition.driver")
    status: int | None = compute.main()
    return status
