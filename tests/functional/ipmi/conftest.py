# SPDX-License-Identifier: Apache-2.0
"""Controllers that real programs play, and the native client.

Times are scaled: a controller that is "30 s late" is 1 to 3 s late here, and
deadlines are as much shorter.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from baremetal_backend.drivers.ipmi.native.client import IpmiClient
from lab.ipmi.farm import Farm
from lab.ipmi.scripted import ScriptedBmc
from tests.functional.ipmi.asking import running_client


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    """Four of ipmi_sim, each with a process of its own; number 0 is on."""
    with Farm(tmp_path_factory.mktemp("farm"), 4, own_process=True) as farm:
        yield farm


@pytest.fixture
def client() -> Iterator[IpmiClient]:
    """With the options' defaults; nobody else uses it."""
    with running_client() as client:
        yield client


@pytest.fixture
def scripted(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ScriptedBmc]:
    """A controller with four sessions that does as it is told."""
    with ScriptedBmc(tmp_path_factory.mktemp("scripted")) as bmc:
        yield bmc
