# SPDX-License-Identifier: Apache-2.0
"""What all interfaces share that speak IPMI natively.

Errors of the client become errors of drivers here, and nowhere else: the
sentence of an ``IpmiError`` names the BMC, what was tried, for how long, and
why it failed, and is what a node shows as its ``last_error``.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any, ClassVar

from baremetal_backend.conf.settings import Settings
from baremetal_backend.core.errors import HardwareFailed, HardwareRefused
from baremetal_backend.core.records import Json, Node
from baremetal_backend.drivers import base
from baremetal_backend.drivers.base import Pause, Steps
from baremetal_backend.drivers.ipmi import driver_info, password_file
from baremetal_backend.drivers.ipmi.command import Command, Response
from baremetal_backend.drivers.ipmi.driver_info import Access
from baremetal_backend.drivers.ipmi.errors import IpmiError
from baremetal_backend.drivers.ipmi.native.client import IpmiClient
from baremetal_backend.drivers.ipmi.ports import Client

# Seconds that a thread waits for an answer before it turns to other work: a
# BMC that is well answers sooner.
_SOON = 0.25

# Seconds between two looks at an answer that is late.
_LOOK = 0.1

# Seconds after its deadline at which a command is no longer believed to end.
_GRACE = 5.0


class IpmiInterface(base.Interface):
    """Speaks with the BMC of the node that it is called for."""

    needs: ClassVar[tuple[type[base.Equipment], ...]] = (IpmiClient,)

    #: Monotonic seconds.
    monotonic = staticmethod(time.monotonic)

    def __init__(self, settings: Settings, client: Client) -> None:
        super().__init__(settings, client)
        self.client = client
        self.read_file = password_file.reader(settings.ipmi.password_directory)
        # To read a node's data anew takes 40 us, and thousands of nodes are
        # asked for their power state each minute: what the same data meant
        # is remembered. Each entry is replaced whole; by all threads.
        self._accesses: dict[str, tuple[Json, Access]] = {}

    def properties(self) -> Mapping[str, str]:
        """All fields of a node with a BMC."""
        return driver_info.PROPERTIES

    def validate(self, node: Node) -> None:
        """Errors: HardwareRefused that names the field."""
        self.access(node)

    def access(self, node: Node) -> Access:
        """How to speak with the node's BMC. Errors: HardwareRefused."""
        info = node.driver_info
        known = self._accesses.get(node.uuid)
        if known is not None and known[0] == info:
            return known[1]
        found = self.understood(info)
        # What a file says may change without the node.
        if "ipmi_password_file" not in info:
            self._accesses[node.uuid] = (info, found)
        return found

    def understood(self, info: Json) -> Access:
        """What a node's data mean. Errors: HardwareRefused."""
        return driver_info.native(info, self.settings.ipmi, self.read_file)

    def forget(self, node: Node) -> None:
        """Let go of the sessions with the node's BMC."""
        try:
            access = self.access(node)
        except HardwareRefused:
            # There is nothing that could be open.
            return
        finally:
            self._accesses.pop(node.uuid, None)
        self.client.forget(access.bmc)

    def call(
        self, access: Access, command: Command, seconds: float | None = None
    ) -> Response:
        """Ask, and wait in this thread. Errors: HardwareFailed."""
        try:
            return self.client.call(
                access.bmc, addressed(access, command), seconds
            )
        except IpmiError as error:
            raise HardwareFailed(str(error)) from error

    def try_call(
        self, access: Access, command: Command, most: float = math.inf
    ) -> Steps[Response]:
        """Ask, and pause while the answer takes its time.

        ``most``: seconds for it, where that is less than the option's.
        Errors: IpmiError, for callers that do something about it.
        """
        seconds = min(self.settings.ipmi.command_retry_timeout, most)
        limit = seconds + _GRACE
        deadline = self.monotonic() + limit
        future: Future[Response] = self.client.submit(
            access.bmc, addressed(access, command), seconds
        )
        wait: float = _SOON
        while True:
            try:
                return future.result(wait)
            except TimeoutError:
                if self.monotonic() > deadline:
                    raise HardwareFailed(
                        f"{access.bmc.where}: {command.name} did not end in "
                        f"{limit:.0f} s."
                    ) from None
            yield Pause(_LOOK)
            wait = 0.0

    def asked(self, access: Access, command: Command) -> Steps[Response]:
        """The same for callers that give up. Errors: HardwareFailed."""
        try:
            response = yield from self.try_call(access, command)
        except IpmiError as error:
            raise HardwareFailed(str(error)) from error
        return response


def addressed(access: Access, command: Command) -> Command:
    """The command for the controller behind the BMC, if there is one."""
    if access.bridge is None:
        return command
    return dataclasses.replace(command, bridge=access.bridge)


def with_data(command: Command, *data: int) -> Command:
    """The same command with these bytes."""
    changes: dict[str, Any] = {"data": bytes(data)}
    return dataclasses.replace(command, **changes)


__all__ = ["IpmiInterface", "addressed", "with_data"]
