# SPDX-License-Identifier: Apache-2.0
"""``python -m lab.ipmi``: controllers to play with, until Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import tempfile
from pathlib import Path

from lab.ipmi.farm import Farm
from lab.ipmi.target import ADMIN, Account


def main() -> None:
    """Start a farm, print how to enrol it, wait for SIGINT or SIGTERM."""
    options = _parser().parse_args()
    # Before the farm, so that a signal at any time ends it in good order.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="ipmi-") as temporary:
        farm = Farm(
            Path(options.directory or temporary) / "farm",
            options.count,
            cheap=options.cheap,
            is_on=lambda number: False,
            accounts=(Account(options.user, options.password),),
            address=options.address,
            first_port=options.port,
        )
        try:
            with farm:
                print(commands(farm), flush=True)
                signal.pause()
        except KeyboardInterrupt:
            print(f"stopped {len(farm)} controllers", flush=True)


def commands(farm: Farm) -> str:
    """A line for each controller that enrols a node for it."""
    return "\n".join(
        " ".join(
            [
                "openstack baremetal node create --driver ipmi",
                f"--name node-{bmc.number}",
                *(
                    f"--driver-info {name}={value}"
                    for name, value in bmc.driver_info.items()
                ),
            ]
        )
        for bmc in farm
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m lab.ipmi",
        description="Starts simulated management controllers (ipmi_sim) and "
        "prints the commands that enrol a node for each.",
    )
    parser.add_argument("-n", "--count", type=int, default=1)
    parser.add_argument(
        "--port", type=int, help="UDP port of the first; default: free ones"
    )
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--user", default=ADMIN.username)
    parser.add_argument("--password", default=ADMIN.password)
    parser.add_argument(
        "--cheap",
        action="store_true",
        help="for hundreds: faster, but without soft shutdown and reset",
    )
    parser.add_argument(
        "--directory",
        help="for configuration, states and logs; default: a temporary one",
    )
    return parser


if __name__ == "__main__":
    main()
