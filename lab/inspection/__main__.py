# SPDX-License-Identifier: Apache-2.0
"""``python -m lab.inspection``: a machine that inspects itself."""

from __future__ import annotations

import argparse
import signal
import tempfile
from pathlib import Path

from lab.inspection.ramdisk_reports import Hardware
from lab.inspection.stand_in import StandIn
from lab.ipmi.farm import Farm
from lab.ipmi.target import ADMIN, Account

#: What the machine looks like; there is one.
HARDWARE = Hardware(1)


def main() -> None:
    """Start the controller; boot and report until SIGINT or SIGTERM."""
    options = _parser().parse_args()
    # Before the controller, so that a signal at any time ends it in order.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="inspection-") as temporary:
        farm = Farm(
            Path(temporary) / "farm",
            1,
            is_on=lambda number: False,
            accounts=(Account(options.user, options.password),),
            first_port=options.port,
        )
        try:
            with farm:
                (bmc,) = farm
                _say(
                    f"controller at {bmc.address}, UDP port {bmc.port}; "
                    f"network cards {' and '.join(HARDWARE.macs)}"
                )
                StandIn(
                    bmc, HARDWARE, options.service, options.boot_seconds
                ).live(_say)
        except KeyboardInterrupt:
            _say("stopped")


def _say(sentence: str) -> None:
    print(sentence, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m lab.inspection",
        description="Starts a simulated management controller (ipmi_sim) and "
        "plays the machine that belongs to it: switched on with the network "
        "as its boot device, it reports to the inspection service as a "
        "ramdisk does. Nothing boots.",
    )
    parser.add_argument(
        "--port", type=int, help="UDP port of the controller; default: any"
    )
    parser.add_argument("--user", default=ADMIN.username)
    parser.add_argument("--password", default=ADMIN.password)
    parser.add_argument(
        "--service",
        default="http://127.0.0.1:5050/v1",
        help="address of the inspection service; default: %(default)s",
    )
    parser.add_argument(
        "--boot-seconds",
        type=float,
        default=3.0,
        help="from the switch to the report; default: %(default)s",
    )
    return parser


if __name__ == "__main__":
    main()
