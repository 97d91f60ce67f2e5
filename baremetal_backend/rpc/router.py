# SPDX-License-Identifier: Apache-2.0
"""The API's conductor: each call goes to the process that owns the node.

``Router`` has the methods of ``rpc.interface.Conductor``. The first parameter
of a method says where its calls go: ``node_id`` to the owner of the node,
``host`` to that conductor; ``values`` and ``kind`` to a conductor that can
serve what they describe.

No conductor that serves a node: NoValidHost, at once. A conductor that is
stopping, or can't be sure of its own record, has changed nothing, and the
call is tried with the next owner. A conductor that dies during a call: the
caller is told as soon as the directory knows.
"""

from __future__ import annotations

import functools
import inspect
import logging
import time
import types
from collections.abc import Callable, Mapping
from typing import Any, cast

from baremetal_backend.core.errors import (
    BackendError,
    ConductorDemoted,
    ConductorNotFound,
    ConductorUnreachable,
    NotFound,
    NoValidHost,
    ShuttingDown,
    Unavailable,
)
from baremetal_backend.rpc import wire
from baremetal_backend.rpc.directory import Directory
from baremetal_backend.rpc.interface import Conductor
from baremetal_backend.rpc.remote import Remote
from baremetal_backend.storage import Storage

LOG = logging.getLogger(__name__)

# Seconds for which a call that was refused without any effect is tried with
# whoever is the owner by then.
_PATIENCE = 5.0
_PAUSE = 0.2

_NOTHING: Mapping[str, Any] = types.MappingProxyType({})

# Calls that only write to the database, and must not depend on the owner.
_BY_ANYBODY = frozenset({"break_lock"})

_COLUMNS = ("uuid", "driver", "conductor_group")


class _Router:
    def __init__(
        self,
        directory: Directory,
        storage: Storage,
        *,
        host: str | None = None,
        local: Conductor | None = None,
        remote: Remote | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._directory = directory
        self._storage = storage
        self._host = host
        self._local = local
        self._remote = remote
        self._monotonic = monotonic
        self._sleep = sleep

    def __getattr__(self, name: str) -> Any:
        if not wire.is_method(name):
            raise AttributeError(name)
        call = functools.partial(self._routed, name)
        setattr(self, name, call)
        return call

    def _routed(self, method: str, *args: Any, **kwargs: Any) -> Any:
        arguments = wire.bound(method, args, kwargs)
        deadline = self._monotonic() + _PATIENCE
        while True:
            host = self._target(method, arguments)
            try:
                return self._call(host, method, arguments)
            except (ShuttingDown, ConductorDemoted):
                # It changed nothing.
                if not self._moves_on(method, host, arguments, deadline):
                    raise

    def _moves_on(
        self,
        method: str,
        host: str,
        arguments: Mapping[str, Any],
        deadline: float,
    ) -> bool:
        """Wait until somebody else is the owner; False if nobody is."""
        if self._remote is None:
            return False
        while self._monotonic() < deadline:
            self._directory.refresh()
            if self._target(method, arguments) != host:
                return True
            self._sleep(_PAUSE)
        return False

    # -- where to -------------------------------------------------------------

    def _target(self, method: str, arguments: Mapping[str, Any]) -> str:
        first = next(iter(arguments), "")
        if first == "host":
            return self._registered(arguments["host"])
        if method in _BY_ANYBODY:
            return self._anybody()
        if first == "node_id":
            return self._owner(
                arguments["node_id"], arguments.get("changes") or {}
            )
        if method == "create_node":
            return self._for_new_node(arguments["values"])
        return self._for_resource(arguments)

    def _registered(self, host: str) -> str:
        if host == self._host or self._directory.serves(host):
            return host
        if any(c.hostname == host for c in self._directory.conductors()):
            raise ConductorUnreachable(f"Conductor {host} is not alive.")
        raise ConductorNotFound(host)

    def _owner(
        self, node_id: str, changes: Mapping[str, Any] = _NOTHING
    ) -> str:
        """The owner, of the node as it will be after the changes."""
        uuid, driver, group = self._storage.nodes.row(node_id, _COLUMNS)
        driver = changes.get("driver", driver)
        group = changes.get("conductor_group", group) or ""
        host = self._directory.owner(uuid, driver, group)
        if host is None:
            raise NoValidHost(driver, group)
        return host

    def _for_new_node(self, values: Mapping[str, Any]) -> str:
        driver = str(values.get("driver") or "")
        if not driver:
            return self._anybody()
        group = str(values.get("conductor_group") or "")
        return self._any_of(
            self._directory.view.routing.candidates(driver, group),
            NoValidHost(driver, group),
        )

    def _for_resource(self, arguments: Mapping[str, Any]) -> str:
        """The node's owner; for a chassis, or a wrong node, anybody."""
        try:
            if "uuid" in arguments:
                found = self._storage.resources(arguments["kind"])
                node = getattr(found.get(arguments["uuid"]), "node_uuid", None)
            else:
                node = arguments["values"].get("node_uuid")
            if node is not None:
                return self._owner(node)
        except (NotFound, NoValidHost) as error:
            LOG.debug("Any conductor may answer: %s", error)
        return self._anybody()

    def _anybody(self) -> str:
        return self._any_of(
            tuple(m.host for m in self._directory.view.routing.members),
            Unavailable("No conductor is alive.", retry_after=5.0),
        )

    def _any_of(self, hosts: tuple[str, ...], nobody: BackendError) -> str:
        if not hosts:
            raise nobody
        return self._host if self._host in hosts else hosts[0]

    # -- calling --------------------------------------------------------------

    def _call(
        self, host: str, method: str, arguments: Mapping[str, Any]
    ) -> Any:
        if host == self._host and self._local is not None:
            return getattr(self._local, method)(**arguments)
        if self._remote is None:
            raise ConductorUnreachable(
                f"Conductor {host} can't be reached from here: "
                "[DEFAULT]rpc_transport is none."
            )
        encoded = wire.encode_arguments(arguments)
        return wire.opened(method, self._remote.call(host, method, encoded))


def make_router(
    directory: Directory,
    storage: Storage,
    *,
    host: str | None = None,
    local: Conductor | None = None,
    remote: Remote | None = None,
) -> Conductor:
    """A conductor that is all conductors.

    ``local``: the conductor of this process, whose name is ``host``.
    """
    # Its methods are made from the protocol, so that the two can't differ.
    return cast(
        Conductor,
        _Router(directory, storage, host=host, local=local, remote=remote),
    )


def routed_methods() -> list[str]:
    """Names of all methods that a router carries."""
    found = inspect.getmembers(Conductor, inspect.isfunction)
    return [name for name, _ in found if wire.is_method(name)]


__all__ = ["make_router", "routed_methods"]
