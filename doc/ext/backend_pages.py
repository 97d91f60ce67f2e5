# SPDX-License-Identifier: Apache-2.0
"""Sphinx directives that show the backend's tables as they are now.

``provision-states``, ``provision-verbs``, ``provision-journeys``,
``api-routes`` and ``api-versions`` take no arguments.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import state_tables
from docutils import nodes, statemachine
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from baremetal_backend.api.microversions import VERSIONS, text
from baremetal_backend.api.routes import NOT_OFFERED, ROUTES


class Generated(SphinxDirective):
    """Lines of reStructuredText in place of the directive."""

    def lines(self) -> Iterable[str]:
        """What to show."""
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        """Parse the lines."""
        content = statemachine.StringList(list(self.lines()), self.name)
        node = nodes.container()
        self.state.nested_parse(content, self.content_offset, node)
        return node.children


def table(
    widths: str, header: Sequence[str], rows: Iterable[Sequence[str]]
) -> Iterator[str]:
    """A list-table with one header row."""
    yield ".. list-table::"
    yield "   :header-rows: 1"
    yield f"   :widths: {widths}"
    yield ""
    for row in [header, *rows]:
        for number, cell in enumerate(row):
            yield f"   {'* -' if number == 0 else '  -'} {cell}"
    yield ""


class ProvisionStates(Generated):
    """The table of states."""

    def lines(self) -> Iterable[str]:
        """One row for each state."""
        return table(
            "14 24 34 14 14",
            (
                "State",
                "Who acts next",
                "Takes → leads to",
                "After its conductor died",
                "After too long a silence",
            ),
            (
                (f"``{name}``", *cells)
                for name, *cells in state_tables.state_rows()
            ),
        )


class ProvisionVerbs(Generated):
    """The table of verbs."""

    def lines(self) -> Iterable[str]:
        """One row for each verb."""
        return table(
            "15 60 25",
            ("Verb", "From → to", "Refused while the node is"),
            (
                (f"``{name}``", taken, refused)
                for name, taken, refused in state_tables.verb_rows()
            ),
        )


class ProvisionJourneys(SphinxDirective):
    """One diagram for each piece of work, then what needs no work."""

    def run(self) -> list[nodes.Node]:
        """SVG for HTML, one line of text for other builders."""
        found: list[nodes.Node] = []
        for journey in state_tables.journeys():
            svg = state_tables.diagram(journey)
            caption = nodes.paragraph()
            caption += nodes.strong(text=journey.busy)
            found.append(caption)
            found.append(nodes.raw("", f"<p>{svg}</p>", format="html"))
        direct = nodes.bullet_list()
        for edge in state_tables.direct_edges():
            item = nodes.list_item()
            item += nodes.paragraph(
                text=f"{edge.source} → {edge.target} "
                f"({state_tables.label(edge.event)})"
            )
            direct += item
        found.append(nodes.paragraph(text="Without any work, at once:"))
        found.append(direct)
        return found


class ApiRoutes(Generated):
    """Every URL that is answered, and those that are not."""

    def lines(self) -> Iterable[str]:
        """A table, then a sentence."""
        yield from table(
            "60 15 25",
            ("URL", "Since", "Methods"),
            (
                (
                    f"``{url}``",
                    text(route.since),
                    ", ".join(route.methods),
                )
                for url, route in ROUTES.items()
            ),
        )
        names = ", ".join(f"``{name}``" for name in sorted(NOT_OFFERED))
        yield f"Not offered (404): {names}."


class ApiVersions(Generated):
    """Every microversion."""

    def lines(self) -> Iterable[str]:
        """One row for each; the mark becomes a column."""
        return table(
            "10 60 30",
            ("Version", "Brought", ""),
            (
                (
                    text(minor),
                    f"``{what.replace('(-) ', '')}``"
                    if "?" in what or "_" in what
                    else what.replace("(-) ", ""),
                    "in part or not offered" if "(-)" in what else "offered",
                )
                for minor, what in VERSIONS.items()
            ),
        )


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directives."""
    app.add_directive("provision-states", ProvisionStates)
    app.add_directive("provision-verbs", ProvisionVerbs)
    app.add_directive("provision-journeys", ProvisionJourneys)
    app.add_directive("api-routes", ApiRoutes)
    app.add_directive("api-versions", ApiVersions)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
