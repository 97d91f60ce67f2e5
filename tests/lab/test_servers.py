# SPDX-License-Identifier: Apache-2.0
"""The private servers: they serve, restart, and keep what was committed."""

from __future__ import annotations

import pytest

from lab.ports import accepts
from tests.databases import servers
from tests.databases.lending import new_database, server


@pytest.mark.parametrize("kind", ["mariadb", "postgresql"])
@pytest.mark.parametrize("how", ["restart", "kill"])
def test_what_was_committed_is_there_after(kind, how, tmp_path):
    one = server(kind)
    name = new_database(kind, tmp_path).rpartition("/")[2].partition("?")[0]
    one.query("CREATE TABLE t (n INT)", database=name)
    one.query("INSERT INTO t VALUES (%s)", [7], database=name)
    if how == "restart":
        one.restart()
    else:
        one.process.kill()
        assert not accepts(one.port)
        one.process.start()
        one.wait_ready()
    assert one.query("SELECT n FROM t", database=name) == [{"n": 7}]


def test_a_server_is_started_once_and_listens_on_loopback_only():
    one = servers.postgresql()
    assert servers.postgresql() is one
    assert one.query("SHOW listen_addresses") == [
        {"listen_addresses": "127.0.0.1"}
    ]


def test_a_broker_serves_again_after_a_restart():
    one = servers.rabbitmq()
    one.restart()
    assert accepts(one.port)
