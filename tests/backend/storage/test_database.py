# SPDX-License-Identifier: Apache-2.0
"""Transactions: all or nothing, and what values a database refuses."""

from __future__ import annotations

import traceback

import pytest
import sqlalchemy as sa

from baremetal_backend.core.errors import BackendError, InvalidParameterValue
from baremetal_backend.storage import Changed
from tests.backend.storage.conftest import make

CHASSIS = sa.text(
    "INSERT INTO chassis (uuid, version, extra) VALUES ('u', 1, '{}')"
)


def test_a_failed_write_changes_nothing(storage):
    with pytest.raises(ZeroDivisionError), storage.database.writing() as c:
        c.execute(CHASSIS)
        raise ZeroDivisionError
    assert storage.chassis.page(("uuid",)) == []


def test_work_that_fails_is_not_run_again_and_changes_nothing(storage):
    runs = []

    def work(connection):
        runs.append(connection.execute(CHASSIS))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        storage.database.write(work)
    assert len(runs) == 1
    assert storage.chassis.page(("uuid",)) == []


def test_work_returns_what_it_found_and_wrote(storage):
    def work(connection):
        connection.execute(CHASSIS)
        return connection.scalar(sa.text("SELECT uuid FROM chassis"))

    assert storage.database.write(work) == "u"
    count = sa.text("SELECT count(*) FROM chassis")
    assert storage.database.read(lambda c: c.scalar(count)) == 1


def test_all_of_unicode_and_large_texts_come_back(storage):
    node = make(storage, 1, name="größe", extra={"\N{ROCKET}": "\0\n"})
    drive = "x" * 3_000_000
    saved = storage.nodes.change(
        node.uuid,
        {"instance_info": {"configdrive": drive}},
        seen_version=node.version,
    )
    assert isinstance(saved, Changed)
    found = storage.nodes.get("größe")
    assert found.extra == {"\N{ROCKET}": "\0\n"}
    assert found.instance_info == {"configdrive": drive}


def test_names_differ_by_case_and_by_accent(storage):
    for number, name in enumerate(("node", "Node", "nöde")):
        make(storage, number, name=name, owner=name)
    assert storage.nodes.get("Node").owner == "Node"
    assert storage.nodes.get("node").owner == "node"
    with pytest.raises(InvalidParameterValue, match="name"):
        make(storage, 9, name="x" * 300)
    assert storage.nodes.count() == 3


def test_no_value_is_in_the_text_of_an_error(storage):
    statement = sa.text("INSERT INTO nowhere VALUES (:secret)")
    values = {"secret": "hunter2"}
    with pytest.raises(BackendError) as caught:
        storage.database.write(lambda c: c.execute(statement, values))
    text = "".join(traceback.format_exception(caught.value))
    assert "nowhere" in text
    assert "hunter2" not in text
