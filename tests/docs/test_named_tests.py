# SPDX-License-Identifier: Apache-2.0
"""The tests and files that the page on testing names are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
PAGE = (CHECKOUT / "doc/source/contributor/testing.rst").read_text()
NAMES = sorted(set(re.findall(r"``(?:[\w/]*/)?(test_\w+)``", PAGE)))
FILES = sorted(set(re.findall(r"``(?:[\w/]*/)?(test_\w+\.py)``", PAGE)))


@pytest.fixture(scope="module")
def sources() -> dict[Path, str]:
    """File to text."""
    found = (CHECKOUT / "tests").rglob("test_*.py")
    return {path: path.read_text() for path in found}


@pytest.mark.parametrize("name", NAMES)
def test_a_named_test_exists(name: str, sources: dict[Path, str]) -> None:
    assert any(f"def {name}(" in text for text in sources.values())


@pytest.mark.parametrize("name", FILES)
def test_a_named_file_exists(name: str, sources: dict[Path, str]) -> None:
    assert name in {path.name for path in sources}


def test_the_page_names_tests_at_all() -> None:
    assert len(NAMES) > 10
    assert len(FILES) > 3
