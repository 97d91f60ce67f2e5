# SPDX-License-Identifier: Apache-2.0
"""Power interface ``ipmi``.

A switch is done when the BMC says so in an answer to a question that was
asked after the command was accepted. That holds for a node, too, that had
the state already: the command is always sent, so that an "off" which fences
something is never an old reading.

A command that may be lost or ignored is sent again, as long as the time of
``[conductor]power_state_change_timeout`` lasts; on and off do no harm twice.
A reboot is off, wait, on. A reset, which must not be sent twice, is for nodes
that must not be off (``disable_power_off``).
"""

from __future__ import annotations

from collections.abc import Callable

from baremetal_backend.core.errors import (
    HardwareFailed,
    UnsupportedDriverExtension,
)
from baremetal_backend.core.records import Node
from baremetal_backend.drivers import base
from baremetal_backend.drivers.base import (
    POWER_OFF,
    POWER_ON,
    DriverTask,
    Pause,
    PowerReading,
    Progress,
    Steps,
)
from baremetal_backend.drivers.ipmi.command import (
    CHASSIS_STATUS,
    HARD_RESET,
    POWER_DOWN,
    POWER_UP,
    SOFT_SHUTDOWN,
    Command,
    Response,
    is_powered_on,
)
from baremetal_backend.drivers.ipmi.driver_info import Access
from baremetal_backend.drivers.ipmi.errors import (
    IpmiError,
    Refused,
    Unanswered,
)
from baremetal_backend.drivers.ipmi.interface import IpmiInterface, addressed
from baremetal_backend.drivers.ipmi.ports import Answered

_COMMANDS = {POWER_ON: POWER_UP, POWER_OFF: POWER_DOWN}

# Seconds between two looks at the power state: grow from one to the other.
_FIRST_LOOK = 0.1
_LONGEST_LOOK = 1.0

# Least seconds for an answer, when the time is nearly over.
_LEAST = 1.0

# Part of the time after which a BMC that accepted a command and did nothing
# is told once more: some drop what comes soon after another change. Not
# earlier, since others begin a delay of theirs anew with each command.
_TELL_AGAIN = 2 / 3

_NOT_SHUT_DOWN = (
    "the operating system did not shut down; the BMC did not report"
)

# Parameter not supported in present state (IPMI 2.0, table 5-2): what many
# answer to a command for the state that they are in.
_NOT_NOW = 0xD5


class IpmiPower(IpmiInterface, base.PowerInterface):
    """Switches through the BMC's chassis commands (IPMI 2.0, section 28)."""

    name = "ipmi"

    def verify(self, task: DriverTask) -> Progress:
        """Ask for the power state, once, as the first contact."""
        return self._verify(task)

    def _verify(self, task: DriverTask) -> Steps[None]:
        yield from self.asked(self.access(task.node), CHASSIS_STATUS)

    def get_power_state(self, node: Node) -> str:
        """What the BMC says. Errors: HardwareFailed."""
        access = self.access(node)
        return _state(access, self.call(access, CHASSIS_STATUS))

    def ask_power_state(
        self, node: Node, done: Callable[[PowerReading], None]
    ) -> bool:
        """Ask in the background. Errors: HardwareRefused."""
        access = self.access(node)

        def put_away(answered: Answered) -> None:
            done(reading(answered))

        self.client.ask(
            access.bmc,
            addressed(access, CHASSIS_STATUS),
            self.settings.ipmi.poll_timeout,
            put_away,
        )
        return True

    def set_power_state(self, task: DriverTask, state: str) -> Progress:
        """Send the command, and look until the BMC shows the state."""
        return self._set(task, state)

    def _set(self, task: DriverTask, state: str) -> Steps[None]:
        access = self.access(task.node)
        if state == POWER_ON:
            yield from self._prepare_boot(task, access)
        yield from self._switch(access, state)

    def _prepare_boot(self, task: DriverTask, access: Access) -> Steps[None]:
        try:
            management = task.driver.management
        except UnsupportedDriverExtension:
            return
        again = access.force_boot_device
        yield from base.finish(management.before_boot(task, again))

    def _switch(self, access: Access, state: str) -> Steps[None]:
        """Tell, look, tell again, until it is so or the time is over."""
        limit = self.settings.power.power_state_change_timeout
        watch = _Watch(self, access, state, limit)
        yield from watch.tell(_COMMANDS[state])
        if not (yield from watch.look(limit * _TELL_AGAIN)):
            yield from watch.tell(_COMMANDS[state])
            yield from watch.look(limit)

    def reset(self, task: DriverTask) -> Progress:
        """Press the reset button, once; then the BMC shows that it is on."""
        return self._reset(task)

    def _reset(self, task: DriverTask) -> Steps[None]:
        access = self.access(task.node)
        yield from self._prepare_boot(task, access)
        limit = self.settings.power.power_state_change_timeout
        watch = _Watch(self, access, POWER_ON, limit)
        yield from watch.tell(HARD_RESET)
        yield from watch.look(limit)

    def soft_power_off(self, task: DriverTask, timeout: float) -> Progress:
        """Ask the operating system, and wait until it is off."""
        return self._soft(task, timeout)

    def _soft(self, task: DriverTask, timeout: float) -> Steps[None]:
        access = self.access(task.node)
        watch = _Watch(self, access, POWER_OFF, timeout, _NOT_SHUT_DOWN)
        yield from watch.tell(SOFT_SHUTDOWN)
        # Not told again: some systems take a second press, seconds later, for
        # an order. (A lost datagram is repeated, as for any other command.)
        yield from watch.look(timeout)


class _Watch:
    """One change of the power state, from the command to what is seen."""

    def __init__(
        self,
        power: IpmiPower,
        access: Access,
        state: str,
        limit: float,
        failing: str = "the BMC accepted the command, but did not report",
    ) -> None:
        """``failing``: what went wrong when the state never comes."""
        self._failing = failing
        self._power = power
        self._access = access
        self._state = state
        self._limit = limit
        self._began = power.monotonic()
        self._told = 0
        self._seen: str | None = None
        self._error: IpmiError | None = None

    def _left(self) -> float:
        return self._began + self._limit - self._power.monotonic()

    def _ask(self, command: Command) -> Steps[Response]:
        """Ask, for no longer than what is left. Errors: IpmiError."""
        most = max(self._left(), _LEAST)
        response = yield from self._power.try_call(self._access, command, most)
        return response

    def failure(self) -> HardwareFailed:
        """The sentence for a time that is over."""
        where = self._access.bmc.where
        seconds = self._power.monotonic() - self._began
        if self._told == 0 and self._error is not None:
            return HardwareFailed(
                f"{where}: {self._state} could not be asked for in "
                f"{seconds:.0f} s; the last try: {self._error}"
            )
        last = f"it last said {self._seen}"
        if self._error is not None:
            last = f"the last question: {self._error}"
        elif self._seen is None:
            last = "it was not asked"
        return HardwareFailed(
            f"{where}: {self._failing} {self._state} within {seconds:.0f} s; "
            f"{last}."
        )

    def tell(self, command: Command) -> Steps[None]:
        """Send the command until the BMC accepts it.

        Errors: HardwareFailed when it never will, or the time is over.
        """
        while True:
            try:
                yield from self._ask(command)
            except Refused as error:
                if error.code != _NOT_NOW:
                    raise HardwareFailed(str(error)) from error
                yield from self._in_that_state_already(error)
                return
            except Unanswered:
                # It may have been carried out: what follows tells.
                self._told += 1
                return
            except IpmiError as error:
                if not error.retriable:
                    raise HardwareFailed(str(error)) from error
                self._error = error
                if self._left() <= error.pause:
                    raise self.failure() from error
                yield Pause(error.pause)
            else:
                self._told += 1
                return

    def _in_that_state_already(self, refused: Refused) -> Steps[None]:
        response = yield from self._power.asked(self._access, CHASSIS_STATUS)
        if _state(self._access, response) != self._state:
            raise HardwareFailed(str(refused)) from refused
        self._told += 1

    def look(self, seconds: float) -> Steps[bool]:
        """Whether the BMC reports the state within these seconds.

        Errors: HardwareFailed when the time of the whole change is over.
        """
        until = self._power.monotonic() + seconds
        pause = _FIRST_LOOK
        while True:
            if (yield from self._is_reached()):
                return True
            if self._left() <= 0:
                raise self.failure()
            if self._power.monotonic() >= until:
                return False
            yield Pause(min(pause, max(self._left(), 0.01)))
            pause = min(2 * pause, _LONGEST_LOOK)

    def _is_reached(self) -> Steps[bool]:
        try:
            response = yield from self._ask(CHASSIS_STATUS)
        except IpmiError as error:
            # It accepted the command; it may be restarting.
            if not error.retriable:
                raise HardwareFailed(str(error)) from error
            self._error = error
            return False
        self._error = None
        self._seen = _state(self._access, response)
        return self._seen == self._state


def _state(access: Access, status: Response) -> str:
    if not status.data:
        raise HardwareFailed(
            f"{access.bmc.where}: the answer to {CHASSIS_STATUS.name} is "
            "empty."
        )
    return POWER_ON if is_powered_on(status) else POWER_OFF


def reading(answered: Answered) -> PowerReading:
    """What an answer to the background's question means."""
    outcome = answered.outcome
    if isinstance(outcome, IpmiError):
        return PowerReading(
            None,
            str(outcome),
            outcome.kind,
            answered.seconds,
            outcome.retry_after,
        )
    if not outcome.data:
        return PowerReading(
            None,
            f"The answer to {CHASSIS_STATUS.name} is empty.",
            "protocol_violation",
            answered.seconds,
        )
    state = POWER_ON if is_powered_on(outcome) else POWER_OFF
    return PowerReading(state, seconds=answered.seconds)


__all__ = ["IpmiPower", "reading"]
