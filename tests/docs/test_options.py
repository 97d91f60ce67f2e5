# SPDX-License-Identifier: Apache-2.0
"""Each option has its place in the documentation, and none is invented."""

from __future__ import annotations

import configparser
import re

import pytest
from oslo_config import cfg

import baremetal_backend.conf
from nova_ironic_partition import conf as plugin_conf
from tests.docs import pages

#: Options of others that the pages name.
FOREIGN = {
    ("DEFAULT", "host"),
    ("DEFAULT", "log_file"),
    ("DEFAULT", "service_down_time"),
    ("DEFAULT", "update_resources_interval"),
    ("ironic", "shard"),
}
MENTION = re.compile(r"\[(\w+)\]([a-z]\w+)")


def names(list_opts) -> set[tuple[str, str]]:
    return {
        (group.name if isinstance(group, cfg.OptGroup) else group, opt.name)
        for group, opts in list_opts
        for opt in opts
    }


PLUGIN = names(plugin_conf.list_opts())
BACKEND = names(baremetal_backend.conf.list_opts())


def shown_namespaces() -> set[str]:
    """The namespaces whose options the configuration pages show."""
    found = set()
    for page in (pages.SOURCE / "configuration").glob("*.rst"):
        for shown in page.read_text().split(".. show-options::")[1:]:
            found.update(re.match(r"\s+([\w.]+)", shown).groups())
    return found


def test_the_options_of_both_packages_are_shown():
    setup = configparser.ConfigParser()
    setup.read(pages.ROOT / "setup.cfg")
    points = setup["entry_points"]["oslo.config.opts"].split("\n")
    ours = {point.split("=")[0].strip() for point in points if point}
    assert ours == {"nova_ironic_partition", "baremetal_backend"}
    assert shown_namespaces() == ours


@pytest.mark.parametrize(("group", "name"), sorted(PLUGIN))
def test_each_option_of_the_plugin_is_explained_to_administrators(group, name):
    admin = [
        page.read_text() for page in (pages.SOURCE / "admin").glob("*.rst")
    ]
    assert any(
        f"[{group}]{name}" in text or f"``{name}``" in text for text in admin
    )


@pytest.mark.parametrize(
    "page", pages.all_pages(), ids=lambda p: str(p.relative_to(pages.ROOT))
)
def test_a_page_names_only_options_that_exist(page):
    mentioned = set(MENTION.findall(page.read_text()))
    assert mentioned <= PLUGIN | BACKEND | FOREIGN
