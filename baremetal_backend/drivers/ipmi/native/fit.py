# SPDX-License-Identifier: Apache-2.0
"""Whether the installed pyghmi is as ``session`` knows it.

``session`` replaces and uses private methods. One that is missing, or takes
other arguments, would be found out by a node; here it is found at the start.
"""

from __future__ import annotations

import inspect
from importlib import metadata
from typing import Final

from baremetal_backend.conf.settings import ConfigurationError
from baremetal_backend.drivers.ipmi.native.session import PYGHMI

#: Methods of pyghmi that are replaced or used, with their arguments.
_KNOWN: Final = {
    "_initsession": (),
    "_get_channel_auth_cap": (),
    "_got_channel_auth_cap": ("response",),
    "_got_rmcp_response": ("data",),
    "_got_rakp2": ("data",),
    "_got_rakp4": ("data",),
    "_req_priv_level": (),
    "_open_rmcpplus_request": (),
    "_send_rakp1": (),
    "_send_rakp3": (),
    "_make_ipmi_payload": (
        "netfn",
        "command",
        "bridge_request",
        "data",
        "rslun",
    ),
    "_parse_ipmi_payload": ("payload",),
    "_parse_payload": ("payload",),
    "_handle_ipmi2_packet": ("data",),
    "_xmit_packet": ("retry", "delay_xmit", "timeout"),
    "send_payload": (
        "payload",
        "payload_type",
        "retry",
        "delay_xmit",
        "needskeepalive",
        "timeout",
    ),
    "onlogon": ("parameter",),
    "login": (),
    "logout": ("sessionok",),
    "_keepalive": (),
    "_mark_broken": ("error",),
    "_relog": (),
    "_timedout": (),
}


def check(pyghmi: type = PYGHMI) -> None:
    """Errors: ConfigurationError when pyghmi is not as it is known here."""
    strange = [
        name
        for name, arguments in _KNOWN.items()
        if _arguments(pyghmi, name) != arguments
    ]
    if strange:
        raise ConfigurationError(
            f"pyghmi {metadata.version('pyghmi')} does not fit: its "
            f"{', '.join(strange)} changed. Install pyghmi>=1.6.19,<1.7, or "
            "take the hardware type ipmi out of "
            "[DEFAULT]enabled_hardware_types."
        )


def _arguments(pyghmi: type, name: str) -> tuple[str, ...] | None:
    method = getattr(pyghmi, name, None)
    if not callable(method):
        return None
    return tuple(inspect.signature(method).parameters)[1:]


__all__ = ["check"]
