# SPDX-License-Identifier: Apache-2.0
"""``[DEFAULT]``: which implementations of hardware interfaces are offered."""

from __future__ import annotations

from oslo_config import cfg

from baremetal_backend.core.records import INTERFACES

GROUP = None


def options() -> list[cfg.Opt]:
    """Two options for each interface type."""
    return [option for kind in INTERFACES for option in _options(kind)]


def _options(kind: str) -> tuple[cfg.Opt, cfg.Opt]:
    return (
        cfg.ListOpt(
            f"enabled_{kind}_interfaces",
            default=[],
            help=f"{kind.capitalize()} interfaces that nodes may have; empty: "
            "all that the enabled hardware types offer.",
        ),
        cfg.StrOpt(
            f"default_{kind}_interface",
            help=f"{kind.capitalize()} interface of a new node that names "
            "none, where its hardware type offers it; without this option, "
            "the hardware type's own first choice.",
        ),
    )
