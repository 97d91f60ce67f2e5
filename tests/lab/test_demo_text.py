# SPDX-License-Identifier: Apache-2.0
"""What the demo reads from logs and writes for people."""

import io
import json
from pathlib import Path
from types import SimpleNamespace

from lab import client_files
from lab.ports import HIGHEST, LOWEST, free_port
from lab.screen import Screen
from lab.witness import last_sweep


def test_the_last_sweep_in_a_log_counts() -> None:
    log = (
        "INFO Partition sweep: 14 of 40 nodes reported (0 with instances)\n"
        "INFO Partition sweep: 13 of 40 nodes reported (1 with instances)\n"
        "INFO something else\n"
    )
    assert last_sweep(log) == 13


def test_a_log_without_a_sweep_has_no_number() -> None:
    assert last_sweep("INFO Starting\n") is None


def test_paragraphs_are_filled_and_headings_plain_in_a_file() -> None:
    out = io.StringIO()
    screen = Screen(out)
    screen.heading("One")
    screen.say("many   words " * 20)
    lines = out.getvalue().splitlines()
    assert lines[1].startswith("== One ===")
    assert max(map(len, lines)) <= 78
    assert "\x1b" not in out.getvalue()


def test_the_client_files_name_the_cloud_and_are_private(
    tmp_path: Path,
) -> None:
    auth = {"auth_url": "http://127.0.0.1:1/v3", "password": "secret"}
    keystone = SimpleNamespace(admin_auth=lambda: auth)
    openrc = client_files.write(tmp_path, keystone)  # type: ignore[arg-type]
    clouds = json.loads((tmp_path / "clouds.yaml").read_text())
    assert clouds["clouds"]["demo"]["auth"] == auth
    assert f"OS_CLIENT_CONFIG_FILE='{tmp_path}/clouds.yaml'" in (
        openrc.read_text()
    )
    assert (tmp_path / "clouds.yaml").stat().st_mode & 0o077 == 0


def test_ports_are_given_once_and_below_those_of_clients() -> None:
    ports = [free_port() for _ in range(50)]
    assert len(set(ports)) == 50
    assert all(LOWEST <= port < HIGHEST <= 32768 for port in ports)
