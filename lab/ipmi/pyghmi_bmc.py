# SPDX-License-Identifier: Apache-2.0
"""pyghmi's own controller class, which virtualbmc and sushy-tools build on.

Cipher suite 3 only, which it answers with also when 17 was asked for; no
session limit, no sensors. A process of its own, since pyghmi's state is
global and the client under test uses pyghmi as well.
"""

from __future__ import annotations

import sys
from pathlib import Path

from lab.ipmi.target import ADMIN, Target, silent
from lab.ports import free_port
from lab.processes import CHECKOUT, Crew, Process


class PyghmiBmc:
    """Its process; a context manager."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._crew = Crew(directory)
        self.target = Target(free_port())
        self.process: Process = self._crew.process(
            "pyghmi-bmc",
            [
                sys.executable,
                "-m",
                "lab.ipmi.pyghmi_bmc",
                str(self.target.port),
            ],
            ready=lambda: not silent([self.target], 0.5),
            env={"PYTHONPATH": str(CHECKOUT)},
        )

    def __enter__(self) -> PyghmiBmc:
        self.process.start()
        try:
            self.process.wait_ready(20)
        except BaseException:
            self._crew.stop()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._crew.stop()

    @property
    def driver_info(self) -> dict[str, object]:
        """For a node of hardware type ipmi."""
        return self.target.driver_info

    @property
    def journal(self) -> list[str]:
        """What was carried out: ``on``, ``off``, ``reset``, ``boot pxe``."""
        return self.process.log_text().split("\n")[:-1]


def main() -> None:
    """``python -m lab.ipmi.pyghmi_bmc PORT``."""
    from pyghmi.ipmi.bmc import Bmc

    class Recorded(Bmc):
        power = "off"
        device = "default"

        def _set(self, power: str, what: str) -> int:
            self.power = power
            print(what, flush=True)
            return 0

        def get_power_state(self) -> str:
            return self.power

        def power_on(self) -> int:
            return self._set("on", "on")

        def power_off(self) -> int:
            return self._set("off", "off")

        def power_cycle(self) -> int:
            return self._set("on", "cycle")

        def power_reset(self) -> int:
            return self._set("on", "reset")

        def power_shutdown(self) -> int:
            return self._set("off", "soft")

        def pulse_diag(self) -> int:
            return self._set(self.power, "diag")

        def get_boot_device(self) -> str:
            return self.device

        def set_boot_device(self, bootdevice: str) -> None:
            self.device = bootdevice
            print("boot", bootdevice, flush=True)

        def cold_reset(self) -> int:
            return self._set(self.power, "cold reset")

    accounts = {ADMIN.username: ADMIN.password}
    Recorded(accounts, port=int(sys.argv[1]), address="127.0.0.1").listen()


if __name__ == "__main__":
    main()
