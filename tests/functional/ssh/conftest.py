# SPDX-License-Identifier: Apache-2.0
"""A host of virtual machines for each file of tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.functional.ssh.virtual_host import VirtualHost


@pytest.fixture(scope="module")
def host() -> Iterator[VirtualHost]:
    """sshd and libvirtd run; there are no machines yet."""
    with VirtualHost() as host:
        yield host
