# SPDX-License-Identifier: Apache-2.0
"""``[ipmi]``: how management controllers are spoken to."""

from __future__ import annotations

from dataclasses import dataclass

from oslo_config import cfg, types

GROUP = "ipmi"

#: Cipher suites that can be spoken (IPMI 2.0, table 22-20).
CIPHER_SUITES = (3, 17)


@dataclass(frozen=True, slots=True)
class IpmiSettings:
    """``[ipmi]``. Times are in seconds."""

    command_retry_timeout: float = 10.0
    poll_timeout: float = 4.0
    session_idle_timeout: float = 20.0
    breaker_failures: int = 3
    breaker_longest_pause: float = 60.0
    cipher_suite_versions: tuple[int, ...] = (17, 3)
    disable_boot_timeout: bool = True
    bmc_reset_timeout: float = 300.0
    bmc_reset_pause: float = 5.0
    password_directory: str = "/etc/baremetal-backend/ipmi"  # noqa: S105


def options() -> list[cfg.Opt]:
    """The options of this group."""
    default = IpmiSettings()
    return [
        cfg.FloatOpt(
            "command_retry_timeout",
            default=default.command_retry_timeout,
            min=1.0,
            max=600.0,
            help="Seconds within which a management controller has to answer "
            "a command that somebody waits for, login and repetitions "
            "included.",
        ),
        cfg.FloatOpt(
            "poll_timeout",
            default=default.poll_timeout,
            min=0.5,
            max=600.0,
            help="The same for the regular question for the power state.",
        ),
        cfg.FloatOpt(
            "session_idle_timeout",
            default=default.session_idle_timeout,
            min=0.0,
            max=25.0,
            help="Seconds that an unused session is kept before it is closed. "
            "Many controllers have four sessions in all, and forget a "
            "session after 30 s. 0: each command has a session of its own.",
        ),
        cfg.IntOpt(
            "breaker_failures",
            default=default.breaker_failures,
            min=1,
            help="Failures in a row after which a controller is not asked by "
            "background work for a while. What a client asks for is always "
            "tried.",
        ),
        cfg.FloatOpt(
            "breaker_longest_pause",
            default=default.breaker_longest_pause,
            min=1.0,
            help="Most seconds of that while, which doubles from one second.",
        ),
        cfg.ListOpt(
            "cipher_suite_versions",
            default=[str(one) for one in default.cipher_suite_versions],
            item_type=types.Integer(),
            help="Cipher suites to log in with, in this order, for nodes "
            "whose driver_info has no ipmi_cipher_suite. Choices: 3, 17.",
        ),
        cfg.BoolOpt(
            "disable_boot_timeout",
            default=default.disable_boot_timeout,
            help="Tell the controller to keep a boot device that is set, also "
            "when the node is not restarted within 60 s. A node's "
            "driver_info ipmi_disable_boot_timeout comes first.",
        ),
        cfg.FloatOpt(
            "bmc_reset_timeout",
            default=default.bmc_reset_timeout,
            min=1.0,
            help="Seconds that a management controller may take to answer "
            "again after it was restarted on request.",
        ),
        cfg.FloatOpt(
            "bmc_reset_pause",
            default=default.bmc_reset_pause,
            min=0.0,
            max=60.0,
            help="Seconds that it is left alone at the beginning of that "
            "time.",
        ),
        cfg.StrOpt(
            "password_directory",
            default=default.password_directory,
            help="The directory of the files that nodes may name as their "
            "driver_info ipmi_password_file, for sites that keep passwords "
            "out of the database. Files elsewhere are not read.",
        ),
    ]


def read(conf: cfg.ConfigOpts) -> IpmiSettings:
    """Errors: ValueError that names the option."""
    suites = tuple(dict.fromkeys(conf.ipmi.cipher_suite_versions))
    if not suites or set(suites) - set(CIPHER_SUITES):
        raise ValueError(
            "[ipmi]cipher_suite_versions: name at least one of 3 and 17, and "
            "nothing else."
        )
    return IpmiSettings(
        command_retry_timeout=conf.ipmi.command_retry_timeout,
        poll_timeout=conf.ipmi.poll_timeout,
        session_idle_timeout=conf.ipmi.session_idle_timeout,
        breaker_failures=conf.ipmi.breaker_failures,
        breaker_longest_pause=conf.ipmi.breaker_longest_pause,
        cipher_suite_versions=suites,
        disable_boot_timeout=conf.ipmi.disable_boot_timeout,
        bmc_reset_timeout=conf.ipmi.bmc_reset_timeout,
        bmc_reset_pause=conf.ipmi.bmc_reset_pause,
        password_directory=conf.ipmi.password_directory,
    )
