# SPDX-License-Identifier: Apache-2.0
"""Whoever searches the guide for a log line of the plugin finds it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.docs import pages

PAGE = pages.SOURCE / "admin" / "troubleshooting.rst"
PACKAGE = pages.ROOT / "nova_ironic_partition"
LEVELS = {"info", "warning", "error", "exception", "critical", "log"}
_VALUE = re.compile(r"%(?:\(\w+\))?[.\d]*[a-z]")


def log_calls(tree: ast.AST) -> Iterator[str]:
    """The format of each call of LOG at INFO or above."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "LOG"
            and node.func.attr in LEVELS
        ):
            number = 1 if node.func.attr == "log" else 0
            yield ast.literal_eval(node.args[number])


FORMATS = sorted(
    {
        text
        for path in PACKAGE.rglob("*.py")
        for text in log_calls(ast.parse(path.read_text()))
    }
)


def test_there_are_log_lines_to_be_found():
    assert len(FORMATS) > 10


@pytest.mark.parametrize("text", FORMATS)
def test_each_log_line_is_explained(text):
    words = [
        re.escape(part)
        for part in (pages.flat(part) for part in _VALUE.split(text))
    ]
    # Values are whatever stands between the words, on one or two lines.
    pattern = r"\s*.{0,120}?\s*".join(words)
    assert re.search(pattern, pages.flat(PAGE.read_text())), text
