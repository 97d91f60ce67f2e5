# SPDX-License-Identifier: Apache-2.0
"""Deadlocks, dead connections and restarts of real database servers."""

from __future__ import annotations

import logging
import threading

import pytest
import sqlalchemy as sa
from oslo_db.exception import DBConnectionError

from baremetal_backend.core.errors import StorageUnavailable
from baremetal_backend.core.patience import Patience
from baremetal_backend.storage import Changed, Database, DatabaseOptions
from baremetal_backend.storage.database import REPEATABLE
from baremetal_backend.storage.tables import CHASSIS
from lab.ports import free_port
from tests.backend.storage.conftest import make
from tests.databases.lending import KINDS, server

SERVERS = [kind for kind in KINDS if kind != "sqlite"]

OWN_ID = {
    "mariadb": "SELECT connection_id()",
    "postgresql": "SELECT pg_backend_pid()",
}
KILL = {
    "mariadb": "KILL {}",
    "postgresql": "SELECT pg_terminate_backend({})",
}


@pytest.fixture(params=SERVERS)
def kind(request):
    """These tests are about servers."""
    return request.param


@pytest.fixture
def database(storage):
    """The database; its connections can be killed."""
    return storage.database


def kill(kind, connection):
    number = connection.exec_driver_sql(OWN_ID[kind]).scalar()
    server(kind).query(KILL[kind].format(number))


def insert(name):
    return sa.insert(CHASSIS).values(
        uuid=name, version=1, extra="{}", description=name
    )


def names(database):
    query = sa.select(CHASSIS.c.uuid).order_by(CHASSIS.c.uuid)
    return database.read(lambda c: list(c.scalars(query)))


def test_a_write_whose_connection_dies_is_done_once_more(kind, database):
    runs = []

    def work(connection):
        connection.execute(insert(f"run {len(runs)}"))
        runs.append(1)
        if len(runs) == 1:
            kill(kind, connection)
            connection.execute(insert("never"))
        return "done"

    assert database.write(work) == "done"
    assert names(database) == ["run 1"]


@pytest.mark.parametrize("reached", [True, False])
@pytest.mark.parametrize("confirmed", [True, False])
def test_a_commit_without_an_answer_is_looked_up(
    kind, database, reached, confirmed
):
    @sa.event.listens_for(database.engine, "commit")
    def _cut(connection):
        if connection.info.setdefault("cut", not cuts):
            cuts.append(1)
            if reached:
                connection.connection.driver_connection.commit()
            kill(kind, connection)

    cuts, runs = [], []

    def work(connection):
        runs.append(1)
        connection.execute(insert("once"))
        return "once"

    def confirm(connection, result):
        query = sa.select(CHASSIS.c.id).where(CHASSIS.c.uuid == result)
        return connection.scalar(query) is not None

    if confirmed:
        assert database.write(work, confirm=confirm) == "once"
        assert len(runs) == (1 if reached else 2)
        assert names(database) == ["once"]
        return
    with pytest.raises(StorageUnavailable, match="is not known"):
        database.write(work)
    assert len(runs) == 1
    assert names(database) == (["once"] if reached else [])


def test_a_change_that_was_committed_unheard_is_not_done_twice(kind, storage):
    node = make(storage, 1)

    @sa.event.listens_for(storage.database.engine, "commit")
    def _cut(connection):
        if not cuts:
            cuts.append(1)
            connection.connection.driver_connection.commit()
            kill(kind, connection)

    cuts = []
    result = storage.nodes.change(node.uuid, {"name": "a"}, seen_version=1)
    assert isinstance(result, Changed)
    assert (result.record.version, result.record.name) == (2, "a")
    assert storage.nodes.get("a") == result.record


def test_of_two_that_block_each_other_both_are_done(kind, database):
    gate = threading.Barrier(2, timeout=20)
    database.write(lambda c: (c.execute(insert("a")), c.execute(insert("b"))))
    attempts = []

    def change(first, second):
        def work(connection):
            attempts.append(first)
            connection.execute(touch(first))
            if len(attempts) <= 2:
                gate.wait()
            connection.execute(touch(second))

        database.write(work)

    def touch(name):
        return (
            sa.update(CHASSIS)
            .where(CHASSIS.c.uuid == name)
            .values(version=CHASSIS.c.version + 1)
        )

    threads = [
        threading.Thread(target=change, args=pair)
        for pair in (("a", "b"), ("b", "a"))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(attempts) == 3
    versions = sa.select(CHASSIS.c.version)
    assert database.read(lambda c: list(c.scalars(versions))) == [3, 3]


def test_a_restart_is_not_seen_by_reads_and_writes(kind, storage):
    node = make(storage, 1, name="a")
    # Several connections of the pool, all of which will be dead.
    with storage.database.reading() as one, storage.database.reading() as two:
        assert one.scalar(sa.text("SELECT 1")) == 1
        assert two.scalar(sa.text("SELECT 1")) == 1
    server(kind).restart()
    assert storage.nodes.get("a") == node
    server(kind).restart()
    result = storage.nodes.change(node.uuid, {"name": "b"}, seen_version=1)
    assert isinstance(result, Changed)


def test_a_write_during_a_restart_waits_for_its_end(kind, storage):
    node = make(storage, 1)
    one = server(kind)
    one.process.kill()
    timer = threading.Timer(1.0, one.process.start)
    timer.start()
    try:
        result = storage.nodes.change(node.uuid, {"name": "a"}, seen_version=1)
        assert isinstance(result, Changed)
    finally:
        timer.join()
        one.wait_ready()
    assert storage.nodes.get("a") == result.record


def test_an_outage_is_said_once_and_its_end_too(kind, url, caplog):
    pauses = []
    options = DatabaseOptions(url, patience=Patience(db_max_retries=3))
    database = Database(options, sleep=pauses.append)
    one = server(kind)
    one.process.kill()
    caplog.set_level(logging.INFO, "baremetal_backend")
    try:
        for _ in range(3):
            with pytest.raises(StorageUnavailable) as caught:
                database.write(lambda c: c.execute(insert("a")))
            assert caught.value.status == 503
            with pytest.raises(StorageUnavailable):
                names(database)
    finally:
        one.process.start()
        one.wait_ready()
    assert len(pauses) == 9
    assert names(database) == []
    said = [
        (r.levelname, r.getMessage())
        for r in caplog.records
        if r.name == "baremetal_backend.storage.database"
    ]
    assert [level for level, _ in said] == ["ERROR", "INFO"]
    assert said[-1][1] == "The database answers again."
    database.close()


def test_a_server_that_is_not_there_is_said_quickly(kind, url):
    address = sa.engine.make_url(url).set(port=free_port())
    database = Database(
        DatabaseOptions(
            address.render_as_string(hide_password=False),
            patience=Patience(seconds=0.0),
        )
    )
    with pytest.raises(StorageUnavailable, match="not available"):
        database.write(lambda c: None, confirm=REPEATABLE)
    database.close()


def test_a_statement_has_a_deadline(kind, url):
    asleep = {"mariadb": "DO SLEEP(20)", "postgresql": "SELECT pg_sleep(20)"}
    options = DatabaseOptions(
        url, statement_timeout=1, patience=Patience(seconds=0.5)
    )
    database = Database(options)
    with pytest.raises(StorageUnavailable):
        database.write(lambda c: c.exec_driver_sql(asleep[kind]))
    database.close()


def test_both_servers_show_a_transaction_what_others_committed(database):
    query = sa.select(sa.func.count()).select_from(CHASSIS)
    with database.reading() as connection:
        assert connection.scalar(query) == 0
        database.write(lambda c: c.execute(insert("a")))
        assert connection.scalar(query) == 1


def test_the_operators_own_connection_parameters_stay(kind, url):
    longer = sa.engine.make_url(url).update_query_dict(
        {"connect_timeout": "33"}
    )
    database = Database(longer.render_as_string(hide_password=False))
    assert database.engine.url.query["connect_timeout"] == "33"
    assert names(database) == []
    database.close()


def test_a_process_that_stands_still_in_a_transaction_is_put_out(kind, url):
    options = DatabaseOptions(url, idle_transaction_timeout=1)
    still, other = Database(options), Database(options)
    other.write(lambda c: c.execute(insert("wanted")))
    change = sa.update(CHASSIS).where(CHASSIS.c.uuid == "wanted")

    def stands_still(connection):
        connection.execute(change.values(description="still"))
        # Ends at once when the server has let go of the row.
        other.write(lambda c: c.execute(change.values(description="other")))
        # As if it was continued only now.
        connection.execute(insert("late"))

    with pytest.raises(DBConnectionError), still.engine.begin() as held:
        stands_still(held)
    query = sa.select(CHASSIS.c.uuid, CHASSIS.c.description)
    assert other.read(lambda c: c.execute(query).all()) == [
        ("wanted", "other")
    ]
    still.close()
    other.close()
