# SPDX-License-Identifier: Apache-2.0
"""Boot orders in definitions of machines, read, changed, and put back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baremetal_backend.drivers.ssh import boot_order
from tests.fakes.libvirt import definition

DEVICES = (
    '<disk device="disk">{}</disk><disk device="cdrom">{}</disk>'
    '<disk device="floppy">{}</disk><disk>{}</disk><interface>{}</interface>'
    "<hostdev>{}</hostdev><redirdev>{}</redirdev><serial/>"
)


def numbered(numbers: list[int]) -> bytes:
    boots = [f'<boot order="{one}"/>' if one else "" for one in numbers]
    return definition(devices=DEVICES.format(*boots))


@pytest.mark.parametrize(
    ("numbers", "first"),
    [
        ([1, 2, 0, 0, 3, 0, 0], "disk"),
        ([2, 1, 0, 0, 3, 0, 0], "cdrom"),
        ([2, 0, 0, 3, 1, 0, 0], "pxe"),
        ([12, 0, 0, 3, 0, 2, 0], "pxe"),
        ([0, 0, 0, 3, 0, 10, 0], "disk"),
        ([0, 0, 1, 3, 0, 0, 0], None),
        ([0, 0, 0, 3, 0, 0, 1], "disk"),
        ([0, 0, 0, 0, 0, 0, 0], None),
    ],
)
def test_the_least_number_comes_first(numbers, first):
    assert boot_order.first(numbered(numbers)) == first


@pytest.mark.parametrize(
    ("kinds", "first"),
    [
        (["hd", "network"], "disk"),
        (["network"], "pxe"),
        (["cdrom", "hd"], "cdrom"),
        (["fd", "hd"], None),
        ([], None),
    ],
)
def test_the_first_kind_comes_first(kinds, first):
    assert boot_order.first(definition(*kinds)) == first


@given(
    kinds=st.lists(st.sampled_from(["hd", "network", "cdrom", "fd"])),
    device=st.sampled_from(list(boot_order.DEVICES)),
)
def test_a_device_that_is_asked_for_comes_before_all_that_were_there(
    kinds: list[str], device: str
) -> None:
    before = definition(*kinds)
    after = boot_order.with_first(before, device)
    assert boot_order.first(after) == device
    wanted = boot_order.DEVICES[device]
    rest = [one for one in dict.fromkeys(kinds) if one != wanted]
    found = boot_order.order(after)["kinds"]
    assert list(dict.fromkeys(found)) == [wanted, *rest]


@given(
    numbers=st.lists(st.integers(0, 12), min_size=7, max_size=7),
    device=st.sampled_from(list(boot_order.DEVICES)),
)
def test_an_order_that_was_kept_as_json_is_put_back(
    numbers: list[int], device: str
) -> None:
    before = numbered(numbers)
    kept = json.loads(json.dumps(boot_order.order(before)))
    changed = boot_order.with_first(before, device)
    back = boot_order.with_order(changed, kept)
    assert boot_order.order(back) == boot_order.order(before)


def test_kinds_and_numbers_are_never_mixed():
    # libvirt refuses such a definition.
    changed = boot_order.with_first(numbered([1, 2, 0, 0, 3, 0, 0]), "pxe")
    assert boot_order.order(changed) == {
        "kinds": ["network", "hd", "cdrom"],
        "numbered": [],
    }


def test_a_device_that_is_gone_is_left_out():
    kept = boot_order.order(numbered([1, 0, 0, 0, 2, 0, 0]))
    back = boot_order.with_order(
        definition("network", devices='<disk device="disk"/>'), kept
    )
    assert boot_order.order(back) == {
        "kinds": [],
        "numbered": [["disk", 0, {"order": "1"}]],
    }


@pytest.mark.parametrize(
    "xml",
    [
        b"",
        b"no xml",
        b"<domain>",
        b"<network/>",
        b"<domain>\xff</domain>",
        b"<!DOCTYPE d [<!ENTITY a 'b'>]><domain>&a;</domain>",
    ],
)
def test_what_is_no_definition_is_a_value_error(xml):
    with pytest.raises(ValueError):
        boot_order.first(xml)


def test_what_else_a_definition_says_is_kept():
    before = (
        "<domain xmlns:q='http://q'><name>Käse</name><os/>"
        "<q:commandline><q:arg value='&lt;&amp;&quot;'/></q:commandline>"
        "</domain>"
    ).encode()
    after = boot_order.with_first(before, "disk")
    found = boot_order._parsed(after)
    assert found.findtext("name") == "Käse"
    [argument] = found.iter("{http://q}arg")
    assert argument.get("value") == '<&"'
