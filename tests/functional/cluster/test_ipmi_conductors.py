# SPDX-License-Identifier: Apache-2.0
"""Nodes with BMCs among three conductors: each is driven by its owner only.

What is said of a node is the same at each API. When a conductor ends, by
order or not, its nodes' power states, sessions and consoles go to others.
"""

from __future__ import annotations

import re
import signal
import socket
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from lab.bare_metal_cluster import BareMetalCluster
from lab.ipmi.scripted import ScriptedBmc
from lab.waiting import wait_for
from tests.backend.running import Reply
from tests.functional.cluster.nodes import PATIENCE, Nodes

VICTIM = "conductor-2"

#: Seconds between two questions for a power state.
INTERVAL = 1
#: Seconds for which questions are counted, and the most that one conductor
#: asks in them; two that both ask need twice as many.
WATCHED = 5
MOST = 6

PASSWORD = "hunter2-and-more"
KEY = b"do not tell anybody!"

STATUS, CONTROL = "00.01", "00.02"

Enrol = Callable[[ScriptedBmc, str], str]


@pytest.fixture(scope="module")
def bmc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScriptedBmc]:
    """A controller with four sessions, and a password that is not said."""
    directory = tmp_path_factory.mktemp("bmc")
    with ScriptedBmc(directory, password=PASSWORD, key=KEY.decode()) as bmc:
        yield bmc


@pytest.fixture(autouse=True)
def asked_often(cluster: BareMetalCluster) -> Iterator[None]:
    """All conductors ask each second, told so while they run."""
    files = {
        host: cluster.state_dir / "baremetal" / f"{host}.conf"
        for host in cluster.conductors
    }
    before = {host: file.read_text() for host, file in files.items()}
    option = f"[conductor]\nsync_power_state_interval = {INTERVAL}\n"
    for file in files.values():
        file.write_text(file.read_text().replace("[conductor]\n", option))
    reload(cluster)
    yield
    for host, file in files.items():
        file.write_text(before[host])
    reload(cluster)


def reload(cluster: BareMetalCluster) -> None:
    """Let all conductors that run read their options again."""
    for process in cluster.conductors.values():
        if process.is_running:
            process.signal(signal.SIGHUP)


@pytest.fixture
def enrol(nodes: Nodes) -> Iterator[Enrol]:
    """Make a manageable node that a conductor serves; gone at the end."""
    made: list[str] = []

    def one(bmc: ScriptedBmc, conductor: str) -> str:
        info = {**bmc.driver_info, "ipmi_hex_kg_key": KEY.hex()}
        while True:
            ident = str(uuid.uuid4())
            values = {
                "driver": "ipmi",
                "uuid": ident,
                "name": f"blade-{ident[:8]}",
                "driver_info": info,
            }
            reply = nodes.http("POST", "/v1/nodes", values)
            assert reply.status == 201, reply.data
            made.append(ident)
            if nodes.show(ident)["conductor"] == conductor:
                break
            remove(nodes, made.pop())
        nodes.bring(ident, "manageable")
        return ident

    yield one
    for ident in made:
        remove(nodes, ident)


def remove(nodes: Nodes, ident: str) -> None:
    """Delete a node, also while it is asked for something."""
    wait_for(
        lambda: nodes.http("DELETE", f"/v1/nodes/{ident}").status == 204,
        PATIENCE,
        f"end of {ident}",
    )


def power(nodes: Nodes, ident: str) -> dict[str, Any]:
    """What the node's owner knows of its power state."""
    reply = nodes.http("GET", f"/v1/nodes/{ident}/states/power")
    return dict(reply.json) if reply.status == 200 else {}


def is_fresh(nodes: Nodes, ident: str) -> bool:
    """Whether its owner has just asked the node."""
    age = power(nodes, ident).get("age")
    return age is not None and age < 2 * INTERVAL


def questions(bmc: ScriptedBmc) -> int:
    """How many come in a while, when nobody uses the node."""
    before = bmc.count(STATUS)
    time.sleep(WATCHED)
    return bmc.count(STATUS) - before


def console(nodes: Nodes, ident: str) -> None:
    """Log in at the node's console, wherever it is served now."""
    shown = nodes.http("GET", f"/v1/nodes/{ident}/states/console").json
    found = re.fullmatch(r"tcp://(.+):(\d+)", shown["console_info"]["url"])
    assert found, shown
    place = (found[1], int(found[2]))
    with socket.create_connection(place, 5) as reader:
        reader.settimeout(5)
        reader.sendall(b"login")
        seen = b""
        while b"login" not in seen:
            seen += reader.recv(4096) or b"[closed]"
            assert b"[closed]" not in seen, seen


def test_each_api_says_the_same_of_a_node_and_no_secret(
    cluster: BareMetalCluster, nodes: Nodes, bmc: ScriptedBmc, enrol: Enrol
) -> None:
    ident = enrol(bmc, VICTIM)
    name = nodes.show(ident)["name"]
    answers: list[Reply] = []

    def twice(
        method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> Any:
        """By name at one API and by uuid at the other."""
        both = [
            nodes.http(method, f"/v1/nodes/{one}{path}", body)
            for one in (name, ident)
        ]
        answers.extend(both)
        assert both[0].status == both[1].status < 300, both
        return both[1].json

    raw = {"raw_bytes": "0x06 0x01"}
    assert twice("POST", "/vendor_passthru?method=send_raw", raw)["data"]
    assert "send_raw" in twice("GET", "/vendor_passthru/methods")
    lamp = "/management/indicators/system/led"
    twice("PUT", lamp, {"state": "BLINKING"})
    twice("GET", lamp)
    twice("PUT", "/management/boot_device", {"boot_device": "pxe"})
    assert twice("GET", "/management/boot_device")["boot_device"] == "pxe"
    wait_for(lambda: is_fresh(nodes, ident), PATIENCE, "a question")
    assert twice("GET", "/states/power")["observed_state"] == "power off"
    figures = nodes.http("GET", f"/v1/conductors/{VICTIM}/power").json
    assert figures["polled"] >= 1
    nodes.http(
        "PUT", f"/v1/nodes/{ident}/states/power", {"target": "power on"}
    )
    wait_for(lambda: bmc.is_on, PATIENCE, "power")
    wrong = [{"op": "add", "path": "/driver_info/ipmi_port", "value": 70000}]
    nodes.http("PATCH", f"/v1/nodes/{ident}", wrong)
    refused = nodes.http("GET", f"/v1/nodes/{ident}{lamp}")
    assert (refused.status, "ipmi_port" in refused.fault) == (400, True)
    answers += [
        refused,
        nodes.http("GET", f"/v1/nodes/{ident}"),
        nodes.http("GET", f"/v1/nodes/{ident}/validate"),
        nodes.http("GET", f"/v1/nodes/{ident}/history?detail=true"),
    ]
    for told in [
        *(answer.data.decode() for answer in answers),
        *(log.read_text() for log in logs(cluster)),
    ]:
        assert PASSWORD not in told
        assert KEY.hex() not in told


def logs(cluster: BareMetalCluster) -> list[Path]:
    """Of conductors and APIs."""
    processes = [*cluster.conductors.values()]
    processes += [api.process for api in cluster.apis]
    return [process.log for process in processes]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_what_a_conductor_had_goes_to_another(
    cluster: BareMetalCluster,
    nodes: Nodes,
    bmc: ScriptedBmc,
    enrol: Enrol,
    number: signal.Signals,
) -> None:
    ident = enrol(bmc, VICTIM)
    reply = nodes.http(
        "PUT", f"/v1/nodes/{ident}/states/console", {"enabled": True}
    )
    assert reply.status == 202, reply.data
    console(nodes, ident)
    process = cluster.conductors[VICTIM]
    process.signal(number)
    process.wait_ended(PATIENCE)
    if number is signal.SIGTERM:
        # It logged out.
        assert bmc.sessions <= 1
    wait_for(
        lambda: nodes.show(ident)["conductor"] not in (VICTIM, None),
        PATIENCE,
        "another owner",
    )
    wait_for(lambda: is_fresh(nodes, ident), PATIENCE, "a question")
    assert power(nodes, ident)["source"] == "poll"
    # A state that nobody asked for is seen by the new owner, and ended once.
    told, was_on = bmc.count(CONTROL), bmc.is_on
    bmc.is_on = not was_on
    wait_for(lambda: bmc.is_on == was_on, PATIENCE, "the old state")
    assert bmc.count(CONTROL) == told + 1
    if number is signal.SIGTERM:
        wait_for(lambda: has_console(nodes, ident), PATIENCE, "the console")
    # Otherwise the controller keeps its line for the dead one, for a while.

    process.start()
    process.wait_ready()
    cluster.wait_alive(cluster.plan.conductors)
    wait_for(
        lambda: nodes.show(ident)["conductor"] == VICTIM, PATIENCE, "the owner"
    )
    wait_for(lambda: is_fresh(nodes, ident), PATIENCE, "a question")
    if number is signal.SIGKILL:
        # Nobody but its owner asks it.
        assert 0 < questions(bmc) <= MOST


def has_console(nodes: Nodes, ident: str) -> bool:
    """Whether the console is served again."""
    try:
        console(nodes, ident)
    except (OSError, AssertionError, KeyError, TypeError):
        return False
    return True
