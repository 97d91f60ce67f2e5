# SPDX-License-Identifier: Apache-2.0
"""Migrations run once per version; later runs load their result."""

from pathlib import Path

import pytest

from lab.schemas import Schemas


class FakeServer:
    """Databases as texts; create, dump and load as MariaDB has them."""

    def __init__(self) -> None:
        self.databases: dict[str, bytes] = {}

    def create(self, *names: str) -> None:
        for name in names:
            assert name not in self.databases
            self.databases[name] = b""

    def dump(self, name: str) -> bytes:
        return self.databases[name]

    def load(self, name: str, sql: bytes) -> None:
        self.databases[name] += sql


def migrated(cache: Path, name: str = "nova-34") -> tuple[FakeServer, int]:
    server = FakeServer()
    calls = []

    def migrate() -> None:
        calls.append(name)
        server.databases["one"] += b"TABLES"
        server.databases["two"] += b"MORE"

    store = Schemas(server, cache)  # type: ignore[arg-type]
    store.create(name, ["one", "two"], migrate)
    return server, len(calls)


def test_the_second_run_loads_what_the_first_one_migrated(
    tmp_path: Path,
) -> None:
    first, migrations = migrated(tmp_path)
    assert migrations == 1
    second, migrations = migrated(tmp_path)
    assert migrations == 0
    assert (
        second.databases
        == first.databases
        == {
            "one": b"TABLES",
            "two": b"MORE",
        }
    )


def test_another_version_is_migrated_anew(tmp_path: Path) -> None:
    migrated(tmp_path)
    assert migrated(tmp_path, "nova-35")[1] == 1


def test_half_a_store_is_not_used(tmp_path: Path) -> None:
    migrated(tmp_path)
    (tmp_path / "nova-34" / "two.sql.gz").unlink()
    assert migrated(tmp_path)[1] == 1


def test_a_failed_migration_stores_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        raise RuntimeError("no")

    store = Schemas(FakeServer(), tmp_path)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError):
        store.create("nova-34", ["one"], fail)
    assert list(tmp_path.iterdir()) == []
