# SPDX-License-Identifier: Apache-2.0
"""Each answer of the Bare Metal API that is none: nodes never vanish.

One compute stands through all of these tests; each leaves it as it was.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from nova import exception

from lab.faulty_proxy import HANG_UP, Answer, Fault, FaultyProxy
from tests.functional.plugin.bare_metal import BareMetal
from tests.functional.plugin.bare_metal_faults import (
    later_pages,
    listings,
    slow_listings,
    small_pages,
)
from tests.functional.plugin.conftest import GROUP, configured
from tests.functional.plugin.nova_in_process import Nova

HTML = (("Content-Type", "text/html"),)

FAULTS: dict[str, Fault] = {
    "hangs up": listings(HANG_UP),
    "500": listings(Answer(500, b'{"error_message": "boom"}')),
    "503": listings(Answer(503, b"")),
    "401": listings(Answer(401, b"")),
    "404": listings(Answer(404, b"")),
    "a redirect to nowhere": listings(
        Answer(302, b"", (("Location", "http://127.0.0.1:9/"),))
    ),
    "no content": listings(Answer(204)),
    "an empty body": listings(Answer(200)),
    "a page of a web server": listings(Answer(200, b"<h1>It works", HTML)),
    "a JSON list": listings(Answer(200, b"[]")),
    "a JSON null": listings(Answer(200, b"null")),
    "no list of nodes": listings(Answer(200, b'{"ports": []}')),
    "nodes are null": listings(Answer(200, b'{"nodes": null}')),
    "nodes are a mapping": listings(Answer(200, b'{"nodes": {"a": 1}}')),
    "nodes are text": listings(Answer(200, b'{"nodes": "all"}')),
    "nodes are numbers": listings(Answer(200, b'{"nodes": [1, 2]}')),
    "nodes without fields": listings(Answer(200, b'{"nodes": [{}]}')),
    "half a body": listings(Answer(200, b'{"nodes": [{"uuid": "aa')),
    "not UTF-8": listings(Answer(200, b'{"nodes": [\xff]}')),
    "a next link that is a number": listings(
        Answer(200, b'{"nodes": [], "next": 7}')
    ),
    "503 in mid-page": later_pages(Answer(503)),
    "hangs up in mid-page": later_pages(HANG_UP),
    "rubbish in mid-page": later_pages(Answer(200, b'{"nodes": [[]]}')),
    "slow": slow_listings(2.5),
}


class Standing(NamedTuple):
    """One compute, its nodes, and the proxy between it and the service."""

    nova: Nova
    proxy: FaultyProxy
    nodes: list[str]

    def assert_nothing_changed(self) -> None:
        assert self.nova.running["c1"].reported == set(self.nodes)
        assert self.nova.owners() == dict.fromkeys(self.nodes, "c1")
        assert self.nova.providers() == set(self.nodes)
        assert self.nova.rows.events == []


@pytest.fixture(scope="module")
def standing(nova_of_module: Nova, bare_metal_url: str) -> Iterator[Standing]:
    """Four nodes, listed in pages of three; a page may take one second."""
    operator = BareMetal(bare_metal_url)
    port = urllib.parse.urlsplit(bare_metal_url).port
    assert port is not None
    proxy = FaultyProxy(port)
    proxy.rewrite = small_pages(3)
    nova = configured(nova_of_module, proxy.url)
    nova.override("ironic", timeout=1)
    nova.configure(["c1"], peer_list=["c1"])
    nodes = operator.enrol(4, GROUP)
    nova.start("c1").run()
    nova.rows.clear()
    yield Standing(nova, proxy, nodes)
    nova.reset()
    proxy.close()
    operator.remove_all()


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_an_answer_that_is_no_answer_changes_nothing(
    standing: Standing, fault: Fault
) -> None:
    nova = standing.nova
    nova.log.clear()
    standing.proxy.fault = fault

    with pytest.raises(exception.VirtDriverNotReady):
        nova.running["c1"].driver.get_available_nodes()
    (error,) = nova.log.errors
    assert error.startswith("The Bare Metal API")
    nova.run()

    standing.assert_nothing_changed()

    standing.proxy.fault = None
    nova.running["c1"].driver.get_available_nodes()

    standing.assert_nothing_changed()
