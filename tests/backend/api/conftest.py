# SPDX-License-Identifier: Apache-2.0
"""One running service for all tests of this folder; each makes own nodes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.backend.running import Http, RunningBackend


@pytest.fixture(scope="session")
def backend(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RunningBackend]:
    running = RunningBackend(
        tmp_path_factory.mktemp("backend"),
        conductor={"node_locked_retry_attempts": "1"},
    )
    yield running
    running.stop()


@pytest.fixture
def http(backend: RunningBackend) -> Http:
    return backend.http


@pytest.fixture
def node(backend: RunningBackend) -> Iterator[dict]:
    made = backend.node()
    yield made
    backend.http("DELETE", f"/v1/nodes/{made['uuid']}")
