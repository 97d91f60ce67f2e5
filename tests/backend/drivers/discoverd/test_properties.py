# SPDX-License-Identifier: Apache-2.0
"""What an inspection must not take from a node."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baremetal_backend.core.records import Inventory
from baremetal_backend.drivers.discoverd.properties import (
    inventory,
    kept,
    restored,
)

FOUND = {"cpus": 8, "cpu_arch": "x86_64", "memory_mb": 16384, "local_gb": 479}


def test_only_what_has_a_value_is_kept():
    had = {"cpus": 4, "memory_mb": 0, "local_gb": "", "cpu_arch": None}
    assert kept(had | {"capabilities": "a:b", "rack": "7"}) == {
        "cpus": 4,
        "capabilities": "a:b",
    }


def test_what_the_node_had_is_put_back_as_it_was_written():
    now = {"cpus": "8", "memory_mb": "16384", "rack": "7"}
    assert restored(now, {"cpus": 4}, FOUND) == {
        "cpus": 4,
        "memory_mb": "16384",
        "rack": "7",
    }


def test_what_somebody_else_wrote_meanwhile_stays():
    assert restored({"cpus": 16}, {"cpus": 4}, FOUND) == {"cpus": 16}
    assert restored({}, {"cpus": 4}, FOUND) == {}


@pytest.mark.parametrize("present", ["8", 8])
def test_the_services_values_are_known_whatever_their_type(present):
    assert restored({"cpus": present}, {"cpus": 4}, FOUND) == {"cpus": 4}


def test_without_what_was_collected_all_is_put_back_that_is_there():
    now = {"cpus": "8", "local_gb": "479"}
    had = {"cpus": 4, "memory_mb": 2048}
    assert restored(now, had, None) == {"cpus": 4, "local_gb": "479"}


def test_new_capabilities_are_added_to_the_old_ones():
    now = {"capabilities": "boot_mode:uefi,cpu_vt:true"}
    had = {"capabilities": "boot_mode:bios,rack:7"}
    assert restored(now, had, FOUND) == {
        "capabilities": "boot_mode:bios,rack:7,cpu_vt:true"
    }


def test_capabilities_without_news_stay_letter_by_letter():
    had = {"capabilities": " b:1 , a:2,"}
    now = {"capabilities": "a:2,b:1"}
    assert restored(now, had, FOUND) == had


@pytest.mark.parametrize("odd", [7, None, ["a:b"], {"a": "b"}])
def test_capabilities_that_are_no_text_are_put_back_whole(odd):
    had = {"capabilities": "a:b"}
    assert restored({"capabilities": odd}, had, FOUND) == had
    assert restored(had, {"capabilities": odd}, FOUND)["capabilities"] == odd


VALUES = st.none() | st.integers() | st.text(max_size=5)
PROPERTIES = st.dictionaries(
    st.sampled_from([*FOUND, "capabilities", "rack"]), VALUES
)


@given(PROPERTIES, PROPERTIES, st.none() | PROPERTIES)
def test_putting_back_twice_is_putting_back_once(had, now, found):
    wanted = kept(had)
    once = restored(now, wanted, found)
    assert restored(once, wanted, found) == once
    assert once.keys() == now.keys()


def test_the_inventory_is_told_from_the_rest():
    data = {"inventory": {"cpu": 1}, "interfaces": {}, "error": None}
    assert inventory(data) == Inventory(
        {"cpu": 1}, {"interfaces": {}, "error": None}
    )


@pytest.mark.parametrize("odd", [None, [], "x"])
def test_data_without_an_inventory_are_kept_all_the_same(odd):
    assert inventory({"inventory": odd, "a": 1}) == Inventory({}, {"a": 1})
