# SPDX-License-Identifier: Apache-2.0
"""Configuration that names what does not exist; a service that is too old."""

from __future__ import annotations

import pytest
from nova import exception

from lab.faulty_proxy import FaultyProxy
from tests.functional.plugin.bare_metal import BareMetal
from tests.functional.plugin.bare_metal_faults import older_api
from tests.functional.plugin.conftest import GROUP, HOSTS
from tests.functional.plugin.nova_in_process import Nova


def about(messages: list[str], text: str) -> list[str]:
    return [message for message in messages if text in message]


def test_an_unknown_group_is_an_empty_partition_and_one_warning(
    nova: Nova, bare_metal: BareMetal
) -> None:
    bare_metal.enrol(1, GROUP)
    bare_metal.enrol(1, "rack-b")
    bare_metal.enrol(1)
    nova.configure(["c1"], partition_key="rack-typo", peer_list=["c1"])

    nova.start("c1")
    for _ in range(3):
        nova.run()

    assert nova.owners() == {}
    (warning,) = about(nova.log.warnings, "rack-typo")
    assert "'', 'rack-a', 'rack-b'" in warning
    assert "[ironic]partition_key" in warning


def test_the_warning_comes_again_for_another_unknown_group(
    nova: Nova, bare_metal: BareMetal
) -> None:
    bare_metal.enrol(1, GROUP)
    nova.configure(["c1"], partition_key="rack-typo", peer_list=["c1"])
    nova.start("c1")
    nova.configure(["c1"], partition_key="rack-other")

    nova.running["c1"].driver.reload_settings()
    nova.run()

    assert len(about(nova.log.warnings, "'rack-typo'")) == 1
    assert len(about(nova.log.warnings, "'rack-other'")) == 1


def test_a_service_without_any_node_is_named_as_such(
    nova: Nova, bare_metal: BareMetal
) -> None:
    nova.configure(["c1"], peer_list=["c1"])

    nova.start("c1")

    (warning,) = about(nova.log.warnings, "conductor group")
    assert "no group" in warning


def test_nodes_that_appear_later_are_taken(
    nova: Nova, bare_metal: BareMetal
) -> None:
    nova.configure(["c1"], peer_list=["c1"])
    nova.start("c1")
    nodes = bare_metal.enrol(2, GROUP)

    nova.run()

    assert nova.owners() == dict.fromkeys(nodes, "c1")


def test_an_unknown_peer_is_named_once_per_change(
    nova: Nova, nodes: list[str]
) -> None:
    nova.configure(["c1"], peer_list=[*HOSTS, "c9"])
    nova.running["c1"].driver.reload_settings()
    for _ in range(3):
        nova.clock.advance(60)
        nova.run()

    assert len(about(nova.log.warnings, "c9 is unknown to Nova")) == 1

    nova.configure(["c1"], peer_list=list(HOSTS))
    nova.running["c1"].driver.reload_settings()
    nova.configure(["c1"], peer_list=[*HOSTS, "c9"])
    nova.running["c1"].driver.reload_settings()

    assert len(about(nova.log.warnings, "c9 is unknown to Nova")) == 2


@pytest.mark.parametrize(
    ("maximum", "options", "needed"),
    [
        ("1.45", {}, "1.46"),
        ("1.45", {"partition_key": None, "peer_list": []}, "1.46"),
        ("1.81", {"shard": "s1"}, "1.82"),
    ],
    ids=str,
)
def test_a_service_that_is_too_old_is_refused_at_start(
    nova_behind_proxy: Nova,
    proxy: FaultyProxy,
    maximum: str,
    options: dict[str, object],
    needed: str,
) -> None:
    nova = nova_behind_proxy
    nova.configure(["c1"], **options)
    proxy.rewrite = older_api(maximum)

    with pytest.raises(exception.InvalidConfiguration) as refused:
        nova.start("c1")

    assert f"microversion {needed}" in str(refused.value)
    (error,) = nova.log.errors
    assert f"microversion {needed}" in error


def test_a_service_that_is_just_new_enough_is_accepted(
    nova_behind_proxy: Nova, proxy: FaultyProxy, bare_metal: BareMetal
) -> None:
    nova = nova_behind_proxy
    nodes = bare_metal.enrol(1, GROUP)
    nova.configure(["c1"], peer_list=["c1"])
    proxy.rewrite = older_api("1.46")

    nova.start("c1").run()

    assert nova.owners() == dict.fromkeys(nodes, "c1")
