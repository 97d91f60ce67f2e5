# SPDX-License-Identifier: Apache-2.0
"""A database that can't be opened: the option, the problem, the way out."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from baremetal_backend.claim import open_database
from baremetal_backend.conf.settings import ConfigurationError, Settings
from baremetal_backend.storage import DatabaseOptions


@pytest.mark.parametrize(
    ("connection", "way_out"),
    [
        ("postgresql+psycopg://u:p@h:port/x", "write it like"),
        ("postgresql+pg8000://u:p@h/d", r"pip install .*\[postgresql\]"),
        ("nonsense", r"write it like sqlite:////var"),
        ("nonsense://u:p@h/d", "nonsense"),
        ("sqlite:////proc/nowhere/t.sqlite", "/proc/nowhere"),
    ],
)
def test_what_can_not_be_opened_is_refused_in_one_sentence(
    tmp_path, connection, way_out
):
    settings = Settings(
        host="one",
        state_path=str(tmp_path),
        database=DatabaseOptions(connection),
    )
    with (
        ExitStack() as cleanup,
        pytest.raises(ConfigurationError, match=way_out) as caught,
    ):
        open_database(settings, cleanup)
    assert str(caught.value).startswith("[database]connection: ")
    assert "u:p@" not in str(caught.value)
