# SPDX-License-Identifier: Apache-2.0
"""Filters of periodic tasks, asked of a node that was read."""

from __future__ import annotations

import pytest

from baremetal_backend.core.node_selection import Filters
from baremetal_backend.core.records import Node

NODE = Node(
    uuid="n1",
    driver="fake-hardware",
    provision_state="clean wait",
    reservation="me",
)


@pytest.mark.parametrize(
    ("words", "through"),
    [
        ({}, True),
        ({"provision_state": "clean wait"}, True),
        ({"provision_state": "active"}, False),
        ({"provision_state_in": ["active", "clean wait"]}, True),
        ({"provision_state_in": []}, False),
        ({"reserved": True}, True),
        ({"reserved": False}, False),
        ({"associated": False, "maintenance": False}, True),
        ({"associated": True}, False),
        ({"instance_uuid": None}, True),
        ({"maintenance": True}, False),
        ({"fault": None, "driver_in": ("other",)}, False),
    ],
)
def test_a_node_passes_if_all_conditions_hold(words, through):
    assert Filters.of(words).let_through(NODE) is through


@pytest.mark.parametrize(
    "word", ["state", "provision_state_i", "driver_info", "traits_in", "_in"]
)
def test_a_word_that_means_nothing_is_refused(word):
    with pytest.raises(ValueError, match=f'"{word}" can\'t be asked for'):
        Filters.of({word: "x"})
