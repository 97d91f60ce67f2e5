# SPDX-License-Identifier: Apache-2.0
"""``[console]``: where nodes' consoles are served."""

from __future__ import annotations

from dataclasses import dataclass

from oslo_config import cfg

GROUP = "console"


@dataclass(frozen=True, slots=True)
class ConsoleSettings:
    """``[console]``."""

    socat_address: str = "127.0.0.1"
    #: (first, last).
    port_range: tuple[int, int] = (10000, 20000)
    #: Seconds without a byte in either direction; 0: no limit.
    terminal_timeout: int = 600
    #: Whether somebody else's serial over LAN is ended for ours.
    deactivate_others: bool = False


def options() -> list[cfg.Opt]:
    """The options of this group."""
    default = ConsoleSettings()
    first, last = default.port_range
    return [
        cfg.HostAddressOpt(
            "socat_address",
            default=default.socat_address,
            help="Address at which this conductor serves consoles, as plain "
            "TCP for everyone who reaches it.",
        ),
        cfg.StrOpt(
            "port_range",
            default=f"{first}:{last}",
            help="First and last port for consoles of nodes whose "
            "driver_info has no ipmi_terminal_port.",
        ),
        cfg.IntOpt(
            "terminal_timeout",
            default=default.terminal_timeout,
            min=0,
            help="Seconds after which the connection of a reader who neither "
            "reads nor writes anything is closed. 0: never.",
        ),
        cfg.BoolOpt(
            "deactivate_others",
            default=default.deactivate_others,
            help="Whether serial over LAN that a management controller has "
            "active for somebody else, such as a person with ipmitool or a "
            "conductor that died, is ended in favour of a reader here. "
            "Otherwise the reader waits until it ends.",
        ),
    ]


def read(conf: cfg.ConfigOpts) -> ConsoleSettings:
    """Errors: ValueError that names the option."""
    text = conf.console.port_range
    parts = text.split(":")
    if len(parts) != 2 or not all(part.isdecimal() for part in parts):
        raise ValueError(
            f'[console]port_range: "{text}" is not a range; write it as '
            "10000:20000."
        )
    first, last = map(int, parts)
    if not 0 < first <= last < 65536:
        raise ValueError(
            f'[console]port_range: "{text}" is not within 1 and 65535, '
            "the lower port first."
        )
    return ConsoleSettings(
        socat_address=conf.console.socat_address,
        port_range=(first, last),
        terminal_timeout=conf.console.terminal_timeout,
        deactivate_others=conf.console.deactivate_others,
    )
