# SPDX-License-Identifier: Apache-2.0
"""What the API may ask of a conductor.

In one process the call reaches the conductor itself
(``baremetal_backend.conductor.service.ConductorService``); with several,
``rpc.router`` carries it to the conductor that owns the node. Hence:
arguments and results are plain values (text, numbers, mappings of JSON,
records of ``core.records`` and of this module), never objects with
behaviour. ``rpc.wire`` reads the annotations.

Rules of all methods:

* ``node_id`` is a uuid or a name.
* A method returns when its decision is applied: what a client reads after
  the answer is never older than its request. Long work goes on afterwards in
  a worker, and ends in a new state or in ``last_error``.
* Anything that goes wrong is a ``core.errors.BackendError``, which knows its
  HTTP status, its faultcode and its sentence. The caller adds nothing.
* Values are well-formed when they arrive (types, lengths, known fields); what
  may change in which state, which drivers and interfaces exist and whether
  names are free is decided here.
* Every wait inside has a deadline. A node that another operation uses is
  tried again ``[conductor]node_locked_retry_attempts`` times, then
  ``NodeLocked`` (409). No free worker: ``NoFreeWorker`` (503), and nothing
  was changed. A database that does not answer: ``StorageUnavailable`` (503).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from baremetal_backend.core.lanes import LaneFigures
from baremetal_backend.core.records import Json, Node, ResourceKind


@dataclass(frozen=True, slots=True)
class Validation:
    """Whether an interface could work with what the node says.

    ``result`` None: the node's hardware type has no such interface.
    """

    result: bool | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class BootDevice:
    """What a node boots from; None where the hardware does not tell."""

    boot_device: str | None
    persistent: bool | None


@dataclass(frozen=True, slots=True)
class Console:
    """``console_info`` is None while the console is off."""

    console_enabled: bool
    console_info: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class InterfaceChoice:
    """Which implementations of one interface type a hardware type has."""

    default: str
    enabled: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HardwareTypeInfo:
    """An enabled hardware type."""

    name: str
    #: Hosts of the conductors that serve it.
    hosts: tuple[str, ...]
    #: Interface type (``power``, ...) to what may be chosen.
    interfaces: Mapping[str, InterfaceChoice]
    #: Keys of ``driver_info`` to what they mean.
    properties: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ConductorInfo:
    """A conductor as clients list it."""

    hostname: str
    conductor_group: str
    alive: bool
    drivers: tuple[str, ...]
    created_at: str
    updated_at: str


@dataclass(frozen=True, slots=True)
class PeriodicTaskInfo:
    """A periodic task of a conductor, and how its runs went."""

    name: str
    #: For people; None for a task that does not say.
    purpose: str | None
    #: Seconds.
    spacing: float
    enabled: bool
    parallel: bool
    #: ``skip`` or ``queue one``.
    overrun: str
    running: bool = False
    runs: int = 0
    failures: int = 0
    consecutive_failures: int = 0
    #: Runs that were due and did not take place.
    missed: int = 0
    last_started_at: str | None = None
    last_ended_at: str | None = None
    #: How long the last run took.
    last_seconds: float | None = None
    #: Seconds by which the last run began late.
    lag: float | None = None
    #: ``done`` or ``failed``.
    last_result: str | None = None
    #: What the last failure said; None once a run was done.
    last_error: str | None = None
    #: None: it is disabled, or it ended itself.
    next_run_at: str | None = None
    #: Of a task for nodes: looked_at, acted, skipped, failed, seconds.
    last_report: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePower:
    """What is known of a node's power state, and since when."""

    #: What the node's record says.
    power_state: str | None
    #: What the hardware said last, when, and how many seconds ago that was.
    observed_state: str | None = None
    observed_at: str | None = None
    age: float | None = None
    #: ``poll``, or ``command``: after the node was switched.
    source: str | None = None
    #: Seconds that an answer takes, on average.
    latency: float | None = None
    consecutive_failures: int = 0
    #: Why the last question had no answer; None: it had one.
    last_error: str | None = None
    #: Such as ``unreachable``.
    error_kind: str | None = None
    next_poll_at: str | None = None
    #: None: it is asked.
    not_polled_because: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConductorPower:
    """How well one conductor knows the power states of its nodes."""

    nodes: int
    #: Those that are asked; the others are in use, in maintenance, ...
    polled: int
    #: Of those: without any answer since the conductor started.
    never_observed: int
    #: Without an answer to the last question.
    failing: int
    #: Waiting to be asked for longer than a moment.
    overdue: int
    in_flight: int
    #: Seconds since the last answer; None without a node that is asked.
    age_p50: float | None
    age_p99: float | None
    age_max: float | None
    #: Over the last minute.
    polls_per_second: float
    #: Since the start: questions, and answers that were compared.
    polls: int
    compared: int
    #: Kind of error to the number of questions that ended so.
    errors: Mapping[str, int]
    #: What was done about states that were not as recorded.
    actions: Mapping[str, int]
    #: Answers that came when the node had changed already.
    out_of_date: int


@dataclass(frozen=True, slots=True)
class VendorMethod:
    """One method of a vendor interface, as ``vendor_passthru/methods``."""

    description: str
    http_methods: tuple[str, ...]
    is_async: bool
    attach: bool = False
    require_exclusive_lock: bool = True


@dataclass(frozen=True, slots=True)
class VendorAnswer:
    """How a vendor's method answered; ``result`` is any JSON.

    ``is_async``: it goes on, and there is no result.
    """

    is_async: bool
    result: Any


@dataclass(frozen=True, slots=True)
class IndicatorInfo:
    """A lamp of a node."""

    component: str
    name: str
    #: What it can be switched to; nothing: it is only looked at.
    states: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProvisioningParams:
    """What may come with ``PUT states/provision`` beside the target."""

    configdrive: str | Mapping[str, Any] | None = None
    rescue_password: str | None = None
    clean_steps: Sequence[Json] = ()
    deploy_steps: Sequence[Json] = ()
    service_steps: Sequence[Json] = ()
    disable_ramdisk: bool = False
    #: Name or uuid of a runbook; refused, there are none yet.
    runbook: str | None = None


@dataclass(frozen=True, slots=True)
class UpdateOptions:
    """``reset_interfaces``: with a new driver, all interfaces that the
    request does not name go back to the new driver's defaults."""

    reset_interfaces: bool = False
    #: Interface fields that the request itself sets.
    named_interfaces: frozenset[str] = field(default_factory=frozenset)


class ConductorDirectory(Protocol):
    """Who serves what, as this process knows it. Asks nobody."""

    def hardware_types(self) -> Sequence[HardwareTypeInfo]:
        """The hardware types that conductors serve, by name."""
        ...

    def conductors(self) -> Sequence[ConductorInfo]:
        """The conductors that are known, by host name."""
        ...

    def owner(
        self, uuid: str, driver: str, conductor_group: str
    ) -> str | None:
        """Host of the conductor that serves the node, None if none does."""
        ...


class Conductor(Protocol):
    """The calls. See the module's text for what holds for all of them."""

    # -- nodes ---------------------------------------------------------------

    def create_node(self, values: Mapping[str, Any]) -> Node:
        """Enrol a node.

        ``values``: fields of ``core.records.Node``; ``driver`` is required,
        a missing ``uuid`` is made. Interfaces that are not given get the
        hardware type's defaults; the state is ``enroll``, or
        ``available`` if ``provision_state`` says so. ``conductor_group`` is
        lower-cased.
        Errors: NoValidHost (no such hardware type enabled), Invalid...
        (unknown interface), AlreadyExists (uuid, name), InstanceAssociated.
        """
        ...

    def update_node(
        self,
        node_id: str,
        changes: Mapping[str, Any],
        seen_version: int,
        options: UpdateOptions = UpdateOptions(),
    ) -> Node:
        """Write new values of fields, as seen from ``seen_version``.

        ``changes``: field to whole new value (a patched ``driver_info`` comes
        as a whole, ``traits`` as a tuple). Errors: NodeChanged when the
        node's version is another (the API reads again, applies its patch
        again, a few times), NodeLocked, NodeAssociated, InstanceAssociated,
        AlreadyExists, InvalidState (field frozen in this state), Invalid...
        """
        ...

    def destroy_node(self, node_id: str) -> None:
        """Remove a node with its ports, connectors, targets and history.

        Errors: InvalidState, NodeAssociated, NodeProtected, NodeLocked.
        """
        ...

    def do_provisioning_action(
        self,
        node_id: str,
        verb: str,
        params: ProvisioningParams = ProvisioningParams(),
    ) -> None:
        """Start a verb of ``core.states.VERBS`` (``active``, ``manage``, ...).

        Returns once the node shows the state that follows. Errors:
        InvalidParameterValue (unknown verb), InvalidStateRequested,
        NodeInMaintenance, NodeProtected, NodeRetired, NodeLocked,
        NoFreeWorker, HardwareRefused (validation failed; nothing changed).
        """
        ...

    def change_node_power_state(
        self, node_id: str, target: str, timeout: int | None = None
    ) -> None:
        """Switch a node. Returns once ``target_power_state`` is shown.

        ``target``: ``power on``, ``power off``, ``rebooting``,
        ``soft power off``, ``soft rebooting``; ``timeout``: seconds for the
        soft variants, None for ``[conductor]soft_power_off_timeout``.
        """
        ...

    def set_node_maintenance(
        self, node_id: str, maintenance: bool, reason: str | None = None
    ) -> None:
        """Put a node into maintenance or take it out (also a locked one)."""
        ...

    def break_lock(
        self, node_id: str, reason: str, token: int | None = None
    ) -> None:
        """End the exclusive use that an operation has of a node.

        What the operation writes afterwards is refused; a node that it left
        in the middle of something fails as after the loss of its conductor.
        ``reason`` is recorded. ``token``: only the lease with this number.
        Errors: NodeNotLocked, LockChanged.
        """
        ...

    def validate_driver_interfaces(
        self, node_id: str
    ) -> Mapping[str, Validation]:
        """Ask each interface whether it could work with this node."""
        ...

    # -- virtual network interfaces -------------------------------------------

    def vif_attach(self, node_id: str, vif: Mapping[str, Any]) -> None:
        """Attach a VIF; ``vif["id"]`` is its uuid.

        Errors: VifAlreadyAttached, NodeLocked.
        """
        ...

    def vif_detach(self, node_id: str, vif_id: str) -> None:
        """Detach a VIF. Errors: VifNotAttached, NodeLocked."""
        ...

    def vif_list(self, node_id: str) -> Sequence[Mapping[str, Any]]:
        """The attached VIFs, each at least ``{"id": uuid}``."""
        ...

    # -- ramdisks -------------------------------------------------------------

    def agent_token(self, node_id: str) -> str | None:
        """A new secret with which the node's ramdisk proves who it is.

        Given out once for each journey, until the node is switched; None:
        somebody has it already. Errors: NodeNotFound (it is in a state in
        which no ramdisk runs), NodeLocked.
        """
        ...

    def heartbeat(
        self,
        node_id: str,
        callback_url: str,
        agent_token: str,
        agent_version: str | None = None,
    ) -> None:
        """The node's ramdisk is there, under this URL.

        Goes on with the node's journey if the deploy interface says so.
        Errors: InvalidParameterValue (token), InvalidState (no ramdisk runs
        in this state), UnsupportedDriverExtension, NodeLocked, NoFreeWorker.
        """
        ...

    # -- management -----------------------------------------------------------

    def get_boot_device(self, node_id: str) -> BootDevice:
        """What the node boots from."""
        ...

    def set_boot_device(
        self, node_id: str, device: str, persistent: bool = False
    ) -> None:
        """Let the node boot from ``device``, once or for good."""
        ...

    def get_supported_boot_devices(self, node_id: str) -> Sequence[str]:
        """Devices that ``set_boot_device`` takes for this node."""
        ...

    def inject_nmi(self, node_id: str) -> None:
        """Send a non-maskable interrupt (crash dump)."""
        ...

    def get_console_information(self, node_id: str) -> Console:
        """State of the console, and how to reach it."""
        ...

    def set_console_mode(self, node_id: str, enabled: bool) -> None:
        """Start or stop the console."""
        ...

    def set_boot_mode(self, node_id: str, target: str) -> None:
        """``uefi`` or ``bios``."""
        ...

    def set_secure_boot(self, node_id: str, target: bool) -> None:
        """Switch secure boot."""
        ...

    def set_target_raid_config(
        self, node_id: str, config: Mapping[str, Any]
    ) -> None:
        """Remember the RAID layout that a later cleaning shall make."""
        ...

    def get_indicators(self, node_id: str) -> Sequence[IndicatorInfo]:
        """The node's lamps."""
        ...

    def get_indicator_state(
        self, node_id: str, component: str, indicator: str
    ) -> str:
        """``on``, ``off``, ``blinking`` or ``unknown``. Errors: NotFound."""
        ...

    def set_indicator_state(
        self, node_id: str, component: str, indicator: str, state: str
    ) -> None:
        """Switch a lamp. Errors: NotFound, InvalidParameterValue."""
        ...

    def vendor_methods(self, node_id: str) -> Mapping[str, VendorMethod]:
        """What the node's vendor interface offers; maybe nothing."""
        ...

    def vendor_passthru(
        self,
        node_id: str,
        method: str,
        http_method: str,
        arguments: Mapping[str, Any],
    ) -> VendorAnswer:
        """Call a method of the node's vendor interface.

        Errors: InvalidParameterValue (no such method, not by this HTTP
        method, its arguments), UnsupportedDriverExtension, HardwareRefused,
        HardwareFailed, NodeLocked, NoFreeWorker.
        """
        ...

    # -- records beside nodes -------------------------------------------------

    def create_resource(
        self, kind: ResourceKind, values: Mapping[str, Any]
    ) -> Any:
        """Create a port, port group, connector, target or chassis.

        ``values``: fields of the record in ``core.records`` (for a port
        ``node_uuid`` and ``address``, ...; a missing ``uuid`` is made).
        Returns the record. Errors: AlreadyExists, NodeNotFound (as 400:
        InvalidParameterValue that names the field), NodeLocked.
        """
        ...

    def update_resource(
        self,
        kind: ResourceKind,
        uuid: str,
        changes: Mapping[str, Any],
        seen_version: int,
    ) -> Any:
        """Write new values; errors as in ``update_node``."""
        ...

    def destroy_resource(self, kind: ResourceKind, uuid: str) -> None:
        """Remove the record. Errors: ResourceNotFound, NodeLocked."""
        ...

    # -- the service ----------------------------------------------------------

    def lanes(self, host: str) -> Sequence[LaneFigures]:
        """How busy the lanes of one conductor are.

        Errors: ConductorNotFound.
        """
        ...

    def node_power(self, node_id: str) -> NodePower:
        """What is known of the node's power state. Asks no hardware."""
        ...

    def conductor_power(self, host: str) -> ConductorPower:
        """How well one conductor knows the power states of its nodes.

        Errors: ConductorNotFound.
        """
        ...

    def periodics(self, host: str) -> Sequence[PeriodicTaskInfo]:
        """The periodic tasks of one conductor, by name.

        Errors: ConductorNotFound.
        """
        ...
