# SPDX-License-Identifier: Apache-2.0
"""What an inspection collected is kept whole, once per node."""

from __future__ import annotations

import json
import threading

import pytest

from baremetal_backend.core.errors import InvalidParameterValue, NodeNotFound
from baremetal_backend.core.records import Inventory
from baremetal_backend.storage import Database, Storage, inventories
from tests.backend.storage.conftest import make, uuid_of

DISKS = {"disks": [{"name": "/dev/sda", "size": 4 * 2**40}]}


def kept(storage, node):
    texts = storage.inventories.texts(node.uuid)
    return None if texts is None else tuple(map(json.loads, texts))


def test_both_parts_come_back_as_they_were(storage):
    node, other = make(storage, 1), make(storage, 2)
    storage.inventories.keep(node.uuid, Inventory(DISKS, {"lldp": []}))
    assert kept(storage, node) == (DISKS, {"lldp": []})
    assert kept(storage, other) is None


def test_a_new_inspection_replaces_what_was_found_before(storage):
    node = make(storage, 1)
    storage.inventories.keep(node.uuid, Inventory(DISKS, {"old": True}))
    storage.inventories.keep(node.uuid, Inventory({"cpu": {}}, {}))
    assert kept(storage, node) == ({"cpu": {}}, {})


def test_it_goes_with_its_node(storage):
    node = make(storage, 1)
    storage.inventories.keep(node.uuid, Inventory(DISKS, {}))
    storage.nodes.delete(node.uuid, node.version)
    assert kept(storage, node) is None
    again = make(storage, 1)
    assert kept(storage, again) is None


def test_nothing_is_kept_of_a_node_that_is_gone(storage):
    with pytest.raises(NodeNotFound):
        storage.inventories.keep(uuid_of(1), Inventory(DISKS, {}))
    assert storage.inventories.texts(uuid_of(1)) is None


@pytest.mark.parametrize(
    "word",
    ["Größe 漢字 \N{GRINNING FACE}", "half \ud83d", "nul \0", 'quote " \\ \n'],
    ids=["far from ASCII", "half a character", "NUL", "quotes"],
)
def test_any_word_of_a_ramdisk_is_kept(storage, word):
    node = make(storage, 1)
    found = Inventory({"vendor": word, word: 1}, {word: [word]})
    storage.inventories.keep(node.uuid, found)
    assert kept(storage, node) == (found.inventory, found.plugin_data)


def test_the_largest_fits_into_each_database(storage):
    node = make(storage, 1)
    # Nothing is longer in a statement than quotation marks.
    marks = '"' * (inventories.LARGEST // 2 - 100)
    storage.inventories.keep(node.uuid, Inventory(DISKS, {"marks": marks}))
    assert kept(storage, node) == (DISKS, {"marks": marks})


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"text": "x" * inventories.LARGEST}, "7500000 are kept at most"),
        ({"speed": float("nan")}, "can't be kept"),
        ({"when": object()}, "can't be kept"),
    ],
    ids=["too long", "not a number", "no JSON"],
)
def test_what_can_not_be_kept_leaves_what_is_there(storage, data, told):
    node = make(storage, 1)
    storage.inventories.keep(node.uuid, Inventory(DISKS, {}))
    with pytest.raises(InvalidParameterValue, match=told):
        storage.inventories.keep(node.uuid, Inventory({}, data))
    assert kept(storage, node) == (DISKS, {})


def test_two_that_keep_at_once_leave_one_of_both_whole(storage):
    node = make(storage, 1)
    gate = threading.Barrier(4, timeout=30)
    faults = []

    def keep(number):
        own = Storage(Database(storage.database.options))
        try:
            for round_ in range(10):
                gate.wait()
                found = {"by": [number, round_]}
                own.inventories.keep(node.uuid, Inventory(found, found))
        except Exception as error:
            faults.append(error)
        finally:
            own.close()

    threads = [threading.Thread(target=keep, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert faults == []
    inventory, plugin_data = kept(storage, node)
    assert inventory == plugin_data
    assert inventory["by"][1] == 9
