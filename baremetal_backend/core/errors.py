# SPDX-License-Identifier: Apache-2.0
"""Every error that the service answers with, and what a caller does about it.

Each error carries what an HTTP answer needs, so that nobody translates twice:

``status``
    the HTTP status code
``faultcode``
    ``Client`` when the request has to change, ``Server`` when it was fine
``message``
    a sentence for an operator; clients show it as ``faultstring``
``retry_after``
    seconds after which the same request has a chance, or None

The tree::

    BackendError
     +-- Invalid                400  the request makes no sense
     |    +-- InvalidParameterValue
     |    +-- MarkerNotFound
     |    +-- InvalidStateRequested
     |    +-- UnsupportedDriverExtension
     |    +-- PowerOffDisabled
     |    +-- NodeInMaintenance
     |    +-- NodeRetired
     |    +-- NoValidHost
     |    +-- VifNotAttached
     |    +-- HardwareRefused
     |    +-- DiscoverdDisabled
     +-- Forbidden              403
     |    +-- NodeProtected
     +-- NotFound               404
     |    +-- NodeNotFound
     |    +-- NodeNotLocked
     |    +-- ResourceNotFound
     |    +-- DriverNotFound
     |    +-- ConductorNotFound
     +-- Conflict               409  true at another time, or elsewhere
     |    +-- NodeLocked
     |    +-- LeaseLost
     |    +-- LockChanged
     |    +-- NodeChanged
     |    +-- NodeAssociated
     |    +-- InstanceAssociated
     |    +-- InvalidState
     |    +-- AlreadyExists
     |    +-- VifAlreadyAttached
     +-- InternalError          500  our fault
     |    +-- HardwareFailed
     +-- Unavailable            503  try again later
          +-- NoFreeWorker
          +-- StorageUnavailable
          +-- ShuttingDown
          +-- ConductorDemoted
          +-- ConductorUnreachable
"""

from __future__ import annotations

from collections.abc import Sequence


class BackendError(Exception):
    """Root of all errors of this package."""

    status: int = 500

    def __init__(
        self, message: str, *, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after = retry_after

    @property
    def faultcode(self) -> str:
        """``Client`` or ``Server``: whose turn it is to change something."""
        return "Client" if self.status < 500 else "Server"


class Invalid(BackendError):
    """The request can't be carried out as it is, now or later."""

    status = 400


class InvalidParameterValue(Invalid):
    """A value is of the wrong type, out of range, or unknown."""


class MarkerNotFound(Invalid):
    """A list was to go on after a record that does not exist."""

    def __init__(self, marker: str) -> None:
        super().__init__(f"Marker {marker} could not be found.")
        self.marker = marker


class InvalidStateRequested(Invalid):
    """A verb does not apply to the node's present state."""

    def __init__(
        self, action: str, node: str, state: str, allowed: Sequence[str] = ()
    ) -> None:
        message = (
            f'The requested action "{action}" can not be performed on node '
            f'"{node}" while it is in state "{state}".'
        )
        if allowed:
            verbs = ", ".join(sorted(allowed))
            message += f" Possible in this state: {verbs}."
        super().__init__(message)
        self.action = action
        self.node = node
        self.state = state


class UnsupportedDriverExtension(Invalid):
    """The node's hardware type or interface does not offer this."""

    def __init__(self, driver: str, extension: str) -> None:
        super().__init__(
            f"Driver {driver} does not support {extension} "
            "(disabled or not implemented)."
        )


class PowerOffDisabled(Invalid):
    """The node has ``disable_power_off``: nothing here switches it off."""

    def __init__(self, action: str, node: str) -> None:
        super().__init__(
            f'The requested action "{action}" can not be performed on node '
            f'"{node}": its disable_power_off is set, and it would be off.'
        )


class NodeInMaintenance(Invalid):
    """The verb is not carried out while a person works on the node."""

    def __init__(self, action: str, node: str) -> None:
        super().__init__(
            f"The {action} operation can't be performed on node {node} "
            "because it's in maintenance mode."
        )


class NodeRetired(Invalid):
    """A retired node is not handed out again."""

    def __init__(self, action: str, node: str) -> None:
        super().__init__(
            f"The {action} operation can't be performed on node {node} "
            "because it is retired."
        )


class NoValidHost(Invalid):
    """No conductor serves the node's hardware type and conductor group."""

    def __init__(self, driver: str, conductor_group: str) -> None:
        super().__init__(
            "No valid host was found. Reason: No conductor service registered "
            f"which supports driver {driver} for conductor group "
            f'"{conductor_group}".'
        )


class VifNotAttached(Invalid):
    """The VIF to detach is not on this node."""

    def __init__(self, vif: str, node: str) -> None:
        super().__init__(
            f"Unable to detach VIF {vif} from node {node} "
            "because it is not attached to it."
        )


class HardwareRefused(Invalid):
    """A driver looked at the node's data and says why it can't work."""


class DiscoverdDisabled(Invalid):
    """The node's conductor has no service that inspects from within."""

    def __init__(self, conductor: str) -> None:
        super().__init__(
            "In-band inspection is disabled. Set enabled = true and "
            "service_url in the section [discoverd] on conductor "
            f"{conductor} and restart it, or give the node another "
            "inspect_interface."
        )


class Forbidden(BackendError):
    """The caller may not do this."""

    status = 403


class NodeProtected(Forbidden):
    """An operator protected the node against this."""

    def __init__(self, node: str) -> None:
        super().__init__(
            f"Node {node} is protected and cannot be undeployed, rebuilt "
            "or deleted."
        )


class NotFound(BackendError):
    """What the request names does not exist."""

    status = 404


class NodeNotFound(NotFound):
    """No node has this uuid or name."""

    def __init__(self, node: str) -> None:
        super().__init__(f"Node {node} could not be found.")
        self.node = node


class NodeNotLocked(NotFound):
    """There is no lock to break: nobody has the node."""

    def __init__(self, node: str) -> None:
        super().__init__(f"Node {node} is not locked.")


class ResourceNotFound(NotFound):
    """No port, port group, connector, target or chassis has this id."""

    def __init__(self, kind: str, ident: str) -> None:
        super().__init__(f"{kind} {ident} could not be found.")
        self.kind = kind
        self.ident = ident


class DriverNotFound(NotFound):
    """No enabled hardware type has this name."""

    def __init__(self, driver: str) -> None:
        super().__init__(
            "Could not find the following driver(s) or hardware type(s): "
            f"{driver}."
        )


class ConductorNotFound(NotFound):
    """No conductor has this host name."""

    def __init__(self, conductor: str) -> None:
        super().__init__(f"Conductor {conductor} could not be found.")


class Conflict(BackendError):
    """The request contradicts what is there now."""

    status = 409


class NodeLocked(Conflict):
    """Another operation has the exclusive use of the node.

    Clients look for the first sentence. ``purpose`` and ``since`` say what
    the other operation does and when it began, where that is known.
    """

    def __init__(
        self,
        node: str,
        host: str,
        retry_after: float | None = None,
        *,
        purpose: str | None = None,
        since: str | None = None,
    ) -> None:
        message = (
            f"Node {node} is locked by host {host}, please retry after the "
            "current operation is completed."
        )
        if purpose is not None:
            message += f" It is used for {purpose} since {since}."
        super().__init__(message, retry_after=retry_after)
        self.host = host
        self.purpose = purpose
        self.since = since


class LeaseLost(Conflict):
    """The exclusive use of the node ended before its work did.

    It was broken, or taken over; the node's history says by whom. Nothing of
    what was refused is in the database.
    """

    def __init__(self, node: str, purpose: str) -> None:
        super().__init__(
            f"Node {node} was taken away from {purpose} before it was done; "
            "what it was about to write was refused."
        )
        self.purpose = purpose


class LockChanged(Conflict):
    """The lock that was to be broken has ended, and there is another."""

    def __init__(self, node: str) -> None:
        super().__init__(
            f"Node {node} is locked by another operation by now; look at its "
            "lock again."
        )


class NodeChanged(Conflict):
    """The record was written by somebody else since the caller read it.

    The caller reads it again and repeats its decision; nothing was changed.
    """

    def __init__(self, node: str) -> None:
        super().__init__(
            f"{node} was changed by another request at the same time; "
            "read it again and repeat the request."
        )


class NodeAssociated(Conflict):
    """The node already carries another instance."""

    def __init__(self, node: str, instance: str) -> None:
        super().__init__(
            f"Node {node} is associated with instance {instance}."
        )


class InstanceAssociated(Conflict):
    """The instance already has another node."""

    def __init__(self, instance: str, node: str) -> None:
        super().__init__(
            f"Instance {instance} is already associated with a node, it "
            f"cannot be associated with this other node {node}."
        )


class InvalidState(Conflict):
    """The record may not be changed or removed in the node's state."""


class AlreadyExists(Conflict):
    """A unique value is taken: ``A node with name x already exists.``"""

    def __init__(self, kind: str, field: str, value: str) -> None:
        article = "An" if kind[:1] in "aeiou" else "A"
        super().__init__(
            f"{article} {kind} with {field} {value} already exists."
        )
        self.kind = kind
        self.field = field
        self.value = value


class VifAlreadyAttached(Conflict):
    """The VIF is on the node already."""

    def __init__(self, vif: str, node: str) -> None:
        super().__init__(
            f"Unable to attach VIF because VIF {vif} is already attached to "
            f"node {node}."
        )


class InternalError(BackendError):
    """Something that must not happen; details are in the log."""

    status = 500


class HardwareFailed(InternalError):
    """The hardware, or what stands for it, did not do what it was told."""


class Unavailable(BackendError):
    """The request was fine, the service can't serve it now."""

    status = 503


class NoFreeWorker(Unavailable):
    """All workers are busy; nothing was changed."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(
            "Requested action cannot be performed due to lack of free "
            "conductor workers.",
            retry_after=retry_after,
        )


class StorageUnavailable(Unavailable):
    """The database does not answer, or does not take writes."""


class ShuttingDown(Unavailable):
    """The conductor finishes what it runs and starts nothing new."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"Conductor {host} is shutting down.", retry_after=5.0
        )


class ConductorDemoted(Unavailable):
    """The conductor can't renew its record and begins nothing new."""

    def __init__(self, host: str, retry_after: float = 5.0) -> None:
        super().__init__(
            f"Conductor {host} can't renew its record and begins nothing new.",
            retry_after=retry_after,
        )


class ConductorUnreachable(Unavailable):
    """No answer came from the node's conductor; its work may go on."""
