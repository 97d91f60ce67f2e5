# SPDX-License-Identifier: Apache-2.0
"""What the README tells to do first can be done."""

from __future__ import annotations

import configparser
import os
import re

import pytest

import baremetal_backend.conf
from nova_ironic_partition import conf as plugin_conf
from nova_ironic_partition.core.identity import HostName
from tests.docs import pages

README = pages.ROOT / "README.rst"


@pytest.mark.parametrize("command", ["tools/demo", "tools/test"])
def test_the_two_commands_come_first_and_can_be_run(command):
    text = README.read_text()
    assert f"$ ./{command}\n" in text
    assert text.index(f"./{command}") < text.index("pip install")
    path = pages.ROOT / command
    assert path.is_file()
    assert os.access(path, os.X_OK)


def test_the_links_of_the_readme_lead_somewhere():
    links = re.findall(r"<([^>]+)>`_", README.read_text())
    assert len(links) > 5
    for link in links:
        assert (pages.ROOT / link).is_file(), link


def test_the_plugin_accepts_the_configuration_of_the_readme():
    parsed = configparser.ConfigParser()
    parsed.read_string(pages.block(README, "readme-plugin"))
    found = plugin_conf.settings(
        host=parsed["DEFAULT"]["host"],
        partition_key=parsed["ironic"]["partition_key"],
        conductor_group=None,
        shard=None,
        peer_list=parsed["ironic"]["peer_list"].split(","),
    )
    assert found.me in found.peers
    assert HostName("compute-3") in found.peers


def test_the_backend_accepts_the_configuration_of_the_readme(tmp_path):
    path = tmp_path / "baremetal-backend.conf"
    path.write_text(pages.block(README, "readme-backend"))
    read = baremetal_backend.conf.read([f"--config-file={path}"], "0")
    found = baremetal_backend.conf.settings(read)
    assert (found.api.host_ip, found.api.port) == ("127.0.0.1", 6385)


@pytest.mark.parametrize(
    "page", pages.all_pages(), ids=lambda p: str(p.relative_to(pages.ROOT))
)
def test_a_page_names_only_tools_that_exist(page):
    for name in re.findall(r"\./(tools/\w+)", page.read_text()):
        assert os.access(pages.ROOT / name, os.X_OK), name
