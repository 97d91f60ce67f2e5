# SPDX-License-Identifier: Apache-2.0
"""A conductor with an inspection service, for all tests of this folder."""

from __future__ import annotations

import pytest

from tests.backend.conductor.conftest import World
from tests.backend.drivers.discoverd.site import Site


@pytest.fixture
def site(tmp_path):
    world = World(tmp_path)
    yield Site(world)
    world.close()
