# SPDX-License-Identifier: Apache-2.0
"""What a conductor says that could never inspect, and does not start."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from lab.inspection.scripted import ScriptedInspection
from lab.ports import LOOPBACK, free_port
from tests.backend.running import RunningBackend

CHECKOUT = Path(__file__).resolve().parents[3]

#: Stands before the library on the path.
ABSENT = 'raise ModuleNotFoundError("No module named \'{0}\'", name="{0}")\n'
LIBRARY = "ironic_inspector_client"


def refused(
    directory: Path,
    discoverd: Mapping[str, str],
    path: Path = CHECKOUT,
) -> str:
    """Start with this section; the line with which the process ended.

    :param path: looked through for modules before all else
    """
    conf = directory / "backend.conf"
    options = "".join(f"{key} = {value}\n" for key, value in discoverd.items())
    conf.write_text(
        f"[DEFAULT]\nstate_path = {directory}\n"
        f"[api]\nport = {free_port()}\n[discoverd]\n{options}"
    )
    ended = subprocess.run(
        [
            sys.executable,
            "-m",
            "baremetal_backend.cmd.all_in_one",
            "--config-file",
            str(conf),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=CHECKOUT,
        env={"PYTHONPATH": str(path), "PATH": "/usr/bin:/bin"},
    )
    assert ended.returncode == 1, ended.stderr
    assert "Traceback" not in ended.stderr
    return ended.stderr.splitlines()[-1]


def test_enabled_without_an_address_is_refused(tmp_path: Path) -> None:
    line = refused(tmp_path, {"enabled": "true"})
    assert "[discoverd]service_url" in line
    assert "http://127.0.0.1:5050/v1" in line


def test_enabled_without_the_client_library_is_refused(tmp_path: Path) -> None:
    stub = tmp_path / "path" / LIBRARY
    stub.mkdir(parents=True)
    (stub / "__init__.py").write_text(ABSENT.format(LIBRARY))
    url = f"http://{LOOPBACK}:{free_port()}/v1"
    options = {"enabled": "true", "service_url": url}
    line = refused(tmp_path, options, stub.parent)
    assert "[discoverd]enabled" in line
    assert LIBRARY in line
    assert "nova-ironic-partition[inspection]" in line


def test_too_old_a_service_is_refused(tmp_path: Path) -> None:
    with ScriptedInspection(("0.1", "0.9")) as service:
        line = refused(
            tmp_path, {"enabled": "true", "service_url": service.url}
        )
    assert "[discoverd]service_url" in line
    assert service.root in line
    assert "0.1 to 0.9" in line
    assert "Upgrade the service" in line


def test_half_an_account_is_refused(tmp_path: Path) -> None:
    line = refused(
        tmp_path,
        {
            "enabled": "true",
            "service_url": f"http://{LOOPBACK}:{free_port()}/v1",
            "auth_type": "http_basic",
            "username": "conductor",
        },
    )
    assert "[discoverd]password" in line


@pytest.fixture
def disabled(tmp_path: Path) -> Iterator[RunningBackend]:
    """A service with its defaults."""
    backend = RunningBackend(tmp_path)
    yield backend
    assert backend.stop() == 0


def test_a_node_is_not_inspected_where_inspection_is_disabled(
    disabled: RunningBackend,
) -> None:
    for name in ("discoverd", "inspector"):
        node = disabled.node(inspect_interface=name)
        path = f"/v1/nodes/{node['uuid']}"
        disabled.http("PUT", f"{path}/states/provision", {"target": "manage"})
        disabled.state(node["uuid"], "manageable")
        before = disabled.http("GET", path).json
        reply = disabled.http(
            "PUT", f"{path}/states/provision", {"target": "inspect"}
        )
        assert reply.status == 400
        for word in ("[discoverd]", "enabled = true", "service_url", "one"):
            assert word in reply.fault
        assert disabled.http("GET", path).json == before
        found = disabled.http("GET", f"{path}/validate").json["inspect"]
        assert found["result"] is False
        assert found["reason"] == reply.fault
