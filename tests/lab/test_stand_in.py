# SPDX-License-Identifier: Apache-2.0
"""When a machine that is not there would have booted from the network."""

from __future__ import annotations

import pytest

from lab.inspection.stand_in import network_boots


@pytest.mark.parametrize(
    ("journal", "boots"),
    [
        ([], 0),
        (["boot pxe"], 0),
        (["boot pxe", "power 1"], 1),
        (["boot pxe", "reset"], 1),
        (["power 1", "boot pxe", "power 0", "power 1"], 1),
        (["boot pxe", "boot disk", "power 1"], 0),
        (["power 1", "boot pxe"], 0),
    ],
)
def test_it_boots_from_the_network_when_it_was_told_to_before_the_start(
    journal: list[str], boots: int
) -> None:
    assert network_boots(journal) == boots


def test_a_boot_device_holds_for_one_start() -> None:
    journal = ["boot pxe", "power 1", "power 0", "power 1", "power 0"]
    assert network_boots(journal) == 1
    assert network_boots([*journal, "boot pxe", "power 1"]) == 2
