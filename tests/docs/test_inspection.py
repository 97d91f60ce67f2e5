# SPDX-License-Identifier: Apache-2.0
"""The page on inspection names what there is, in the words of the code."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from oslo_config import cfg

from baremetal_backend.conf import discoverd
from baremetal_backend.core.errors import DiscoverdDisabled
from baremetal_backend.drivers.discoverd import availability, verdict
from baremetal_backend.drivers.discoverd.figures import all_figures
from baremetal_backend.drivers.discoverd.interface import DiscoverdInspect
from baremetal_backend.drivers.discoverd.tally import Tally
from tests.docs import pages

PAGE = pages.SOURCE / "admin" / "inspection.rst"
TEXT = PAGE.read_text()
OPTIONS = sorted(
    {field.name for field in dataclasses.fields(discoverd.DiscoverdSettings)}
    - {"auth_options"}
)
FIGURES = {
    figure.name + ("_total" if figure.kind == "counter" else "")
    for figure in all_figures(Tally(), False, 0, 0)
}
URL = "http://192.0.2.10:5050/v1"


@pytest.mark.parametrize("name", OPTIONS)
def test_each_option_is_explained(name: str) -> None:
    assert f"``{name}``" in TEXT


@pytest.mark.parametrize("name", sorted(FIGURES))
def test_each_figure_is_explained(name: str) -> None:
    assert f"``{name}``" in TEXT


def test_the_defaults_of_the_table_are_those_of_the_code() -> None:
    default = discoverd.DiscoverdSettings()
    rows = {
        cells[0]: cells[1]
        for row in TEXT.split("   * - ")[1:]
        if len(cells := [pages.flat(c) for c in row.split("     -")]) == 3
    }
    for name in (
        "status_check_period",
        "connect_timeout",
        "start_timeout",
        "request_timeout",
        "max_parallel_requests",
    ):
        assert float(rows[f"``{name}``"]) == getattr(default, name)
    assert rows["``enabled``"] == str(default.enabled).lower()
    assert (
        rows["``overwrite_existing``"]
        == str(default.overwrite_existing).lower()
    )
    assert rows["``auth_type``"] == default.auth_type
    assert availability.LONGEST_PAUSE == 300
    assert "one in five minutes" in pages.flat(TEXT)


@pytest.mark.parametrize(
    "name", ["inspection-http-basic", "inspection-password"]
)
def test_the_examples_of_access_are_read(name: str, tmp_path: Path) -> None:
    file = tmp_path / "example.conf"
    file.write_text(pages.block(PAGE, name))
    conf = cfg.ConfigOpts()
    conf.register_opts(discoverd.options(), group=discoverd.GROUP)
    conf(["--config-file", str(file)])
    settings = discoverd.read(conf)
    assert settings.enabled
    shown = {
        line.split(" = ")[0]
        for line in pages.block(PAGE, name).splitlines()[1:]
    }
    own = {field.name for field in dataclasses.fields(settings)}
    assert shown - own == set(settings.auth_options)


def test_what_a_client_is_told_stands_there() -> None:
    assert str(DiscoverdDisabled("bm1")) in pages.flat(TEXT)


def test_what_the_log_says_stands_there() -> None:
    troubled = availability.ANSWERS.failed("unreachable", 0.0, 60.0, 2 / 3)
    said = availability.warning(
        availability.ANSWERS,
        troubled,
        f"The inspection service at {URL} can't be reached: Connection "
        "refused.",
        12,
        0.0,
    )
    assert said is not None
    assert said in pages.flat(TEXT)
    good = availability.all_clear(troubled, URL, 184.0)
    assert good is not None
    assert good in pages.flat(TEXT)


def test_what_a_node_says_stands_there() -> None:
    quoted = "has no record of this inspection any more"
    assert quoted in verdict.FORGOTTEN
    assert f'"{quoted}"' in pages.flat(TEXT)


def test_the_names_and_the_tasks_of_the_interface_stand_there() -> None:
    for name in (DiscoverdInspect.name, *DiscoverdInspect.aliases):
        assert f"``{name}``" in TEXT
    for task in (DiscoverdInspect.poll, DiscoverdInspect.look_at_due_nodes):
        assert f"``inspect.discoverd.{task.__name__}``" in TEXT
