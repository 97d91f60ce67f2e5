# SPDX-License-Identifier: Apache-2.0
"""Unmodified clients against a running service, without authentication."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.backend.running import RunningBackend
from tests.clients.inside import openstack


@pytest.fixture(scope="session")
def backend(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RunningBackend]:
    running = RunningBackend(tmp_path_factory.mktemp("backend"))
    yield running
    running.stop()


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str


class Cli:
    """``openstack baremetal ...``."""

    def __init__(self, url: str) -> None:
        self._access = ["--os-auth-type", "none", "--os-endpoint", url]

    def run(self, *words: str) -> Outcome:
        """The command's outcome, whatever it is."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = openstack([*self._access, "baremetal", *words])
        return Outcome(code, out.getvalue(), err.getvalue())

    def __call__(self, *words: str) -> str:
        """What a command that has to succeed prints."""
        outcome = self.run(*words)
        assert outcome.code == 0, outcome
        return outcome.out

    def show(self, *words: str) -> Any:
        """The one thing that a command shows."""
        return json.loads(self(*words, "-f", "json"))

    def rows(self, *words: str) -> list[dict[str, Any]]:
        """A table; columns in lower case, as their titles vary."""
        return [
            {name.lower(): value for name, value in row.items()}
            for row in self.show(*words)
        ]


@pytest.fixture(scope="session")
def cli(backend: RunningBackend) -> Cli:
    return Cli(backend.url)
