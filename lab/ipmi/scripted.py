# SPDX-License-Identifier: Apache-2.0
"""A controller that does what no simulator does, in a process of its own.

Cipher suite 17, whole boot flags, diagnostic interrupts, four sessions,
users without privileges, serial over LAN that can be dropped, answers that
are late, lost, wrong or refused; and it tells what it has carried out.
"""

from __future__ import annotations

import dataclasses
import signal
import sys
from pathlib import Path
from typing import Any

from lab.ipmi.controller import Controller
from lab.ipmi.loop import Loop, Remote
from lab.ipmi.machine import Machine, Script
from lab.ipmi.target import Account, Target
from lab.ports import LOOPBACK, free_port
from lab.processes import CHECKOUT, Crew


class ScriptedBmc:
    """Its process and its remote; a context manager.

    :param script: fields of ``machine.Script``
    """

    def __init__(
        self,
        directory: Path,
        crew: Crew | None = None,
        address: str = LOOPBACK,
        **script: Any,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._own_crew = crew is None
        self._crew = crew or Crew(directory)
        self._remote = Remote()
        self._script = dict(script)
        given = Script(**script)
        self.target = Target(
            free_port(), address, Account(given.username, given.password)
        )
        self.process = self._crew.process(
            f"scripted-bmc-{self.target.port}",
            [
                sys.executable,
                "-m",
                "lab.ipmi.scripted",
                address,
                str(self.target.port),
                self._remote.name,
            ],
            ready=self._remote.answers,
            env={"PYTHONPATH": str(CHECKOUT)},
        )

    def __enter__(self) -> ScriptedBmc:
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._remote.hang_up()
        if self._own_crew:
            self._crew.stop()
        else:
            self.process.kill()

    @property
    def port(self) -> int:
        return self.target.port

    @property
    def driver_info(self) -> dict[str, object]:
        """For a node of hardware type ipmi."""
        return self.target.driver_info

    def start(self) -> None:
        """Also after a kill: it is off then, and knows no session."""
        self.process.start()
        self.process.wait_ready(20)
        self.script(**self._script)

    def kill(self) -> None:
        """SIGKILL."""
        self._remote.hang_up()
        self.process.kill()

    def stop(self) -> None:
        """SIGSTOP; the remote doesn't answer either."""
        self.process.signal(signal.SIGSTOP)

    def cont(self) -> None:
        """SIGCONT."""
        self.process.signal(signal.SIGCONT)

    def script(self, **values: Any) -> None:
        """Behave like this from now on; fields of ``machine.Script``."""
        self._remote.call("script", values=values)

    @property
    def is_on(self) -> bool:
        """The truth."""
        return bool(self._remote.call("get_power"))

    @is_on.setter
    def is_on(self, on: bool) -> None:
        self._remote.call("set_power", on=on)

    @property
    def boot_flags(self) -> bytes:
        """Data 1 to 5 of parameter 5 (IPMI 2.0, table 28-14)."""
        return bytes.fromhex(self._remote.call("boot_flags"))

    @property
    def journal(self) -> list[str]:
        """What was carried out, as "netfn.command data" in hex."""
        return list(self._remote.call("journal"))

    def count(self, what: str) -> int:
        """How often the journal has it: "00.02 03" is a hard reset."""
        return sum(
            line == what or line.startswith(f"{what} ")
            for line in self.journal
        )

    @property
    def sessions(self) -> int:
        """How many slots are taken."""
        return int(self._remote.call("sessions"))

    def forget(self, seconds: float = 0.0) -> None:
        """Restart: sessions are gone, and nothing is heard for a while."""
        self._remote.call("forget", seconds=seconds)

    def print(self, text: str) -> None:
        """The machine writes to its serial port."""
        self._remote.call("print", text=text)

    @property
    def typed(self) -> str:
        """What the machine read from its serial port."""
        return str(self._remote.call("typed"))

    def drop_console(self) -> None:
        """Deactivate serial over LAN without a word."""
        self._remote.call("drop_console")


class _Stage:
    """What the remote calls, in the controller's process."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._machine = controller.machine

    def ready(self) -> bool:
        return True

    def script(self, values: dict[str, Any]) -> None:
        self._machine.script = dataclasses.replace(
            self._machine.script, **values
        )

    def get_power(self) -> bool:
        return self._machine.is_on

    def set_power(self, on: bool) -> None:
        self._machine.is_on = on

    def boot_flags(self) -> str:
        return self._machine.boot_flags.hex()

    def journal(self) -> list[str]:
        return self._machine.journal

    def sessions(self) -> int:
        return len(self._controller.sessions)

    def forget(self, seconds: float) -> None:
        self._controller.forget(seconds)

    def print(self, text: str) -> None:
        self._serial().write(text.encode())

    def typed(self) -> str:
        return self._serial().typed.decode("latin-1")

    def drop_console(self) -> None:
        for session in self._controller.sessions.values():
            if session.serial:
                session.serial.is_open = False
                session.serial = None

    def _serial(self) -> Any:
        serial = self._controller.serial
        if serial is None:
            raise LookupError("serial over LAN is not active")
        return serial


def main() -> None:
    """``python -m lab.ipmi.scripted ADDRESS PORT REMOTE``."""
    address, port, remote = sys.argv[1:]
    loop = Loop()
    machine = Machine(Script(), loop.later)

    def send(datagram: bytes, client: tuple[Any, ...]) -> None:
        if datagram:
            sending.sendto(datagram, client)

    controller = Controller(machine, int(port), send, loop.later)
    sending = loop.udp(controller.received, address, int(port))
    loop.listen(remote, _Stage(controller))
    loop.run()


if __name__ == "__main__":
    main()
