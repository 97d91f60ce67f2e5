# SPDX-License-Identifier: Apache-2.0
"""The ``openstack`` client inside the test's process.

A process of its own takes seconds to load its plug-ins, for each command. The
client is the real one; only its habits of a program that soon ends are taken
from it: it keeps its first connection for ever, and ``--wait`` looks every
ten seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from unittest import mock

from ironicclient.v1 import utils
from openstackclient import shell
from osc_lib.clientmanager import ClientManager

_LOOK_EVERY = 0.2


def openstack(words: Sequence[str]) -> int:
    """Run ``openstack WORDS``; its exit code."""
    kept = vars(ClientManager).get("baremetal")
    if kept is not None:
        kept._handle = None
    actions = {
        verb: {**action, "poll_interval": _LOOK_EVERY}
        for verb, action in utils.PROVISION_ACTIONS.items()
        if action is not None
    }
    with mock.patch.dict(utils.PROVISION_ACTIONS, actions):
        return int(shell.OpenStackShell().run(list(words)))
