# SPDX-License-Identifier: Apache-2.0
"""The page about power states leaves nothing out."""

from __future__ import annotations

import dataclasses
import json
import re

import pytest

from baremetal_backend.conductor.power_sync.published import figures
from baremetal_backend.conductor.power_sync.roster import Roster
from baremetal_backend.core.power_sync import ACTIONS
from baremetal_backend.rpc.interface import ConductorPower, NodePower
from tests.docs import pages

PAGE = (pages.SOURCE / "admin" / "power-sync.rst").read_text()


def fields(record) -> list[str]:
    return [field.name for field in dataclasses.fields(record)]


def examples() -> list[dict]:
    """The answers that the page shows."""
    found = re.findall(r"^   (\{.*?\})\n\n", PAGE, re.MULTILINE | re.DOTALL)
    return [json.loads(one) for one in found]


@pytest.mark.parametrize("record", [NodePower, ConductorPower])
def test_each_field_is_shown_in_the_example_and_explained(record):
    assert fields(record) in [list(one) for one in examples()]
    for name in fields(record):
        assert re.search(rf"^.{{0,30}}``{name}``", PAGE, re.MULTILINE), name


def test_each_action_is_explained():
    (shown,) = (one["actions"] for one in examples() if "actions" in one)
    assert list(shown) == list(ACTIONS)


def test_each_figure_is_named():
    for figure in figures(Roster())():
        suffix = "_total" if figure.kind == "counter" else ""
        assert f"``{figure.name}{suffix}``" in PAGE
