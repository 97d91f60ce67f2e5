# SPDX-License-Identifier: Apache-2.0
"""A configuration that must not be put in force, at start-up or later."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from nova import exception

from tests.functional.plugin.bare_metal import BareMetal
from tests.functional.plugin.conftest import GROUP, HOSTS, configured
from tests.functional.plugin.nova_in_process import Nova

#: Changed options of c1 -> what the one error must name, and the fix in it.
BAD = {
    "empty list": ({"peer_list": []}, "[ironic]peer_list", "List the hosts"),
    "nothing but a comma": (
        {"peer_list": ["", ""]},
        "[ironic]peer_list",
        "Add c1",
    ),
    "own host missing": (
        {"peer_list": ["c2", "c3"]},
        "[ironic]peer_list",
        "Add c1",
    ),
    "malformed peer": (
        {"peer_list": ["c1", "c2 c3"]},
        "[ironic]peer_list",
        "Use the host of a nova-compute service",
    ),
    "malformed key": (
        {"partition_key": "rack a!"},
        "[ironic]partition_key",
        "Use the name of a conductor group",
    ),
    "overlong key": (
        {"partition_key": "x" * 256},
        "[ironic]partition_key",
        "Use the name of a conductor group",
    ),
    "malformed group": (
        {"partition_key": None, "conductor_group": "rack/a"},
        "[ironic]conductor_group",
        "Use the name of a conductor group",
    ),
    "two keys": (
        {"conductor_group": "rack-b"},
        "[ironic]partition_key",
        "Set one of the two",
    ),
}
bad = pytest.mark.parametrize(
    ("options", "option", "fix"), BAD.values(), ids=BAD.keys()
)


class Standing(NamedTuple):
    """A partition that none of the tests changes."""

    nova: Nova
    owners: dict[str, str]


@pytest.fixture(scope="module")
def standing(nova_of_module: Nova, bare_metal_url: str) -> Iterator[Standing]:
    operator = BareMetal(bare_metal_url)
    nova = configured(nova_of_module, bare_metal_url)
    operator.enrol(4, GROUP)
    for host in HOSTS:
        nova.start(host)
    nova.run()
    nova.rows.clear()
    yield Standing(nova, nova.owners())
    nova.reset()
    operator.remove_all()


@bad
def test_a_bad_change_is_refused_and_all_owners_stay(
    standing: Standing, options: dict[str, Any], option: str, fix: str
) -> None:
    nova, before = standing
    good = dict(nova.settings["c1"])
    nova.log.clear()
    nova.configure(["c1"], **options)

    nova.running["c1"].driver.reload_settings()
    nova.clock.advance(600)
    nova.run("c1")

    (error,) = nova.log.errors
    assert option in error
    assert fix in error
    assert nova.log.warnings == []
    assert nova.owners() == before
    assert nova.reporters() == {n: [h] for n, h in before.items()}
    assert nova.rows.events == []
    nova.settings["c1"] = good


@bad
def test_the_same_mistake_at_start_up_stops_the_service(
    standing: Standing, options: dict[str, Any], option: str, fix: str
) -> None:
    nova = standing.nova
    nova.log.clear()
    changed = {
        name: [peer.replace("c1", "c4") for peer in value]
        if isinstance(value, list)
        else value
        for name, value in options.items()
    }
    nova.configure(
        ["c4"], partition_key=GROUP, conductor_group=None, peer_list=["c4"]
    )
    nova.configure(["c4"], **changed)

    with pytest.raises(exception.InvalidConfiguration) as refused:
        nova.start("c4")

    (error,) = nova.log.errors
    for message in (error, str(refused.value)):
        assert option in message
        assert fix.replace("c1", "c4") in message
