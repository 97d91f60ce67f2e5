# SPDX-License-Identifier: Apache-2.0
"""How a controller is reached: the same for all kinds of them."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace

from lab.ports import LOOPBACK

# Get Channel Authentication Capabilities, outside of a session, for IPMI
# 2.0 (section 22.13): each controller answers it without a login.
_GREETING = bytes.fromhex("0600ff07 00 00000000 00000000 09 2018c881")
_GREETING += bytes.fromhex("0038 8e 04 b5")


@dataclass(frozen=True)
class Account:
    """A user of a controller."""

    username: str
    password: str
    #: As ``ipmi_sim`` and Ironic's ``ipmi_priv_level`` call it.
    privilege: str = "ADMINISTRATOR"


ADMIN = Account("admin", "secret")
OPERATOR = Account("operator", "secret-of-operator", "OPERATOR")
USER = Account("watcher", "secret-of-watcher", "USER")
ACCOUNTS = (ADMIN, OPERATOR, USER)


@dataclass(frozen=True)
class Target:
    """Address and account of a controller."""

    port: int
    address: str = LOOPBACK
    account: Account = ADMIN

    @property
    def username(self) -> str:
        return self.account.username

    @property
    def password(self) -> str:
        return self.account.password

    @property
    def driver_info(self) -> dict[str, object]:
        """What a node that has this controller is enrolled with."""
        info: dict[str, object] = {
            "ipmi_address": self.address,
            "ipmi_port": self.port,
            "ipmi_username": self.username,
            "ipmi_password": self.password,
        }
        if self.account.privilege != ADMIN.privilege:
            info["ipmi_priv_level"] = self.account.privilege
        return info

    def at(self, port: int) -> Target:
        """The same behind another port."""
        return replace(self, port=port)

    def as_(self, account: Account) -> Target:
        """The same for another user."""
        return replace(self, account=account)


def silent(targets: Iterable[Target], seconds: float) -> list[Target]:
    """Greet them all; those that don't answer within so many seconds."""
    left = {(one.address, one.port): one for one in targets}
    families = {
        socket.AF_INET6 if ":" in address else socket.AF_INET
        for address, _ in left
    }
    deadline = time.monotonic() + seconds
    for family in families:
        with socket.socket(family, socket.SOCK_DGRAM) as asking:
            _greet(asking, left, deadline)
    return list(left.values())


def _greet(
    asking: socket.socket,
    left: dict[tuple[str, int], Target],
    deadline: float,
) -> None:
    v6 = asking.family == socket.AF_INET6
    mine = [place for place in left if (":" in place[0]) == v6]
    while mine and (now := time.monotonic()) < deadline:
        # A few at a time: a socket's buffer holds some hundred answers.
        for place in mine[:100]:
            asking.sendto(_GREETING, place)
        until = min(now + 0.2, deadline)
        while (rest := until - time.monotonic()) > 0:
            if not select.select([asking], (), (), rest)[0]:
                break
            _, sender = asking.recvfrom(2048)
            left.pop(sender[:2], None)
            if not left.keys() & set(mine[:100]):
                break
        mine = [place for place in mine if place in left]
