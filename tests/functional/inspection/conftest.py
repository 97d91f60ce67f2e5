# SPDX-License-Identifier: Apache-2.0
"""A real ironic-inspector and our service, once per module."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.functional.inspection.service import Pair

MakePair = Callable[..., Pair]


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the first pair leaves an inspector's database for the others."""
    return tmp_path_factory.mktemp("inspector") / "empty.sqlite"


@pytest.fixture(scope="module")
def make_pair(
    tmp_path_factory: pytest.TempPathFactory, empty: Path
) -> Iterator[MakePair]:
    """Makes pairs with options of their own; stopped after the module."""
    made: list[Pair] = []

    def make(**how: Any) -> Pair:
        directory = tmp_path_factory.mktemp("pair")
        made.append(Pair(directory, empty=empty, **how))
        return made[-1]

    yield make
    for pair in made:
        pair.close()
