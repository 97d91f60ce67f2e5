# SPDX-License-Identifier: Apache-2.0
"""Fixtures: the bare metal service once per run, all else fresh per test.

``BARE_METAL_URL=http://127.0.0.1:PORT pytest tests/functional/plugin`` runs
the tests against another bare metal service without authentication.
"""

from __future__ import annotations

import os
import urllib.parse
from collections.abc import Iterator

import pytest

from lab.faulty_proxy import FaultyProxy
from tests.functional.plugin.backend_process import BackendProcess
from tests.functional.plugin.bare_metal import BareMetal
from tests.functional.plugin.nova_in_process import SETTLE, Nova

HOSTS = ("c1", "c2", "c3")
GROUP = "rack-a"


@pytest.fixture(scope="session")
def bare_metal_url(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """The address of a running bare metal service."""
    given = os.environ.get("BARE_METAL_URL")
    if given:
        yield given
        return
    process = BackendProcess(tmp_path_factory.mktemp("backend"))
    yield process.url
    process.stop()


@pytest.fixture
def bare_metal(bare_metal_url: str) -> Iterator[BareMetal]:
    """An operator; the nodes that it enrols are removed after the test."""
    operator = BareMetal(bare_metal_url)
    yield operator
    operator.remove_all()


@pytest.fixture
def proxy(bare_metal_url: str) -> Iterator[FaultyProxy]:
    """A way to the bare metal service that a test can break."""
    port = urllib.parse.urlsplit(bare_metal_url).port
    assert port is not None
    proxy = FaultyProxy(port)
    yield proxy
    proxy.close()


@pytest.fixture(scope="module")
def nova_of_module() -> Iterator[Nova]:
    """A Nova that the tests of one module share."""
    nova = Nova()
    yield nova
    nova.close()


@pytest.fixture
def nova(nova_of_module: Nova, bare_metal: BareMetal) -> Iterator[Nova]:
    """A Nova without computes; c1, c2 and c3 are configured as peers.

    Its computes end before the nodes are removed.
    """
    yield configured(nova_of_module, bare_metal.url)
    nova_of_module.reset()


@pytest.fixture
def nova_behind_proxy(
    nova_of_module: Nova, bare_metal: BareMetal, proxy: FaultyProxy
) -> Iterator[Nova]:
    """The same, with the proxy on its way to the bare metal service."""
    yield configured(nova_of_module, proxy.url)
    nova_of_module.reset()


def configured(nova: Nova, url: str) -> Nova:
    """Configure three peers that share one group."""
    nova.override("ironic", endpoint_override=url)
    nova.configure(HOSTS, partition_key=GROUP, peer_list=list(HOSTS))
    return nova


@pytest.fixture
def nodes(nova: Nova, bare_metal: BareMetal) -> list[str]:
    """Four free nodes that c1, c2 and c3 share; all is settled."""
    nodes = bare_metal.enrol(4, GROUP)
    for host in HOSTS:
        nova.start(host)
    nova.run()
    nova.clock.advance(SETTLE)
    nova.rows.clear()
    nova.log.clear()
    return nodes
