# SPDX-License-Identifier: Apache-2.0
"""The generated pages about states leave nothing out."""

from __future__ import annotations

import importlib.util
import sys
import xml.etree.ElementTree as ET

import pytest

from baremetal_backend.core.states import STATES, VERBS
from tests.docs import pages


def load():
    """The extension's part that needs no Sphinx."""
    name = "state_tables"
    path = pages.ROOT / "doc" / "ext" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    # dataclasses look their module up.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


state_tables = load()


def test_each_state_and_each_verb_has_a_row():
    assert [row[0] for row in state_tables.state_rows()] == list(STATES)
    assert [row[0] for row in state_tables.verb_rows()] == list(VERBS)


def test_each_transition_is_in_a_diagram_or_in_the_list_below():
    shown = set(state_tables.direct_edges())
    for journey in state_tables.journeys():
        shown.update(journey.begins, journey.inside, journey.ends)
    assert shown == set(state_tables.edges())


@pytest.mark.parametrize(
    "journey", state_tables.journeys(), ids=lambda j: j.busy
)
def test_a_diagram_names_its_states_and_its_events(journey):
    svg = ET.fromstring(state_tables.diagram(journey))
    texts = [
        element.text
        for element in svg.iter("{http://www.w3.org/2000/svg}text")
    ]
    for edge in (*journey.begins, *journey.inside, *journey.ends):
        assert edge.source in texts
        assert edge.target in texts
        assert state_tables.label(edge.event) in texts


def test_the_rows_show_where_a_verb_leads():
    verbs = {row[0]: row[1:] for row in state_tables.verb_rows()}
    assert verbs["provide"] == ("manageable → cleaning", "never")
    assert verbs["rebuild"][1] == "in maintenance, protected"


def test_the_rows_show_what_a_dead_conductor_and_a_silence_lead_to():
    rows = {row[0]: row[3:] for row in state_tables.state_rows()}
    assert rows["verifying"] == ("done again, once; then enroll", "stays")
    assert rows["cleaning"] == ("clean failed", "stays")
    assert rows["clean wait"] == (
        "stays; goes on to be watched",
        "clean failed, by ``[conductor]clean_callback_timeout``",
    )
    assert rows["clean hold"] == ("stays", "stays")
