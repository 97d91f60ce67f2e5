# SPDX-License-Identifier: Apache-2.0
"""The provision states: one table, and the machine that is made from it.

Everything that is known of a state stands in its row of ``STATES``: what kind
it is, what it is on the way to, which events it takes and where they lead,
which steps are run there, what happens to a node that is found in it after its
conductor died, and what happens when nothing comes for too long. Everything
that a client may ask for stands in ``VERBS``.

``process_event`` decides and writes nothing: it returns the transition or
raises. Who applies it, and when, is the task manager's business.
"""

from __future__ import annotations

import enum
import types
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from automaton import exceptions as machine_errors
from automaton import machines

ENROLL = "enroll"
VERIFYING = "verifying"
MANAGEABLE = "manageable"
AVAILABLE = "available"
INSPECTING = "inspecting"
INSPECTWAIT = "inspect wait"
INSPECTFAIL = "inspect failed"
CLEANING = "cleaning"
CLEANWAIT = "clean wait"
CLEANHOLD = "clean hold"
CLEANFAIL = "clean failed"
DEPLOYING = "deploying"
DEPLOYWAIT = "wait call-back"
DEPLOYHOLD = "deploy hold"
DEPLOYFAIL = "deploy failed"
ACTIVE = "active"
DELETING = "deleting"
ERROR = "error"
ADOPTING = "adopting"
ADOPTFAIL = "adopt failed"
RESCUING = "rescuing"
RESCUEWAIT = "rescue wait"
RESCUE = "rescue"
RESCUEFAIL = "rescue failed"
UNRESCUING = "unrescuing"
UNRESCUEFAIL = "unrescue failed"
SERVICING = "servicing"
SERVICEWAIT = "service wait"
SERVICEHOLD = "service hold"
SERVICEFAIL = "service failed"


#: Kinds of steps that hardware interfaces offer.
StepKind = Literal["verify", "clean", "deploy", "service"]


class Kind(enum.Enum):
    """Who has to act next on a node in this state."""

    #: Nobody. The node is where somebody wanted it; it has no target.
    REST = "rest"
    #: A person or a client. The node shows the target that it missed.
    FAILED = "failed"
    #: The conductor that holds the node works on it.
    BUSY = "busy"
    #: Something outside (a ramdisk, a service) is going to report.
    WAITING = "waiting"
    #: A person, who was waited for on purpose: ``unhold`` goes on.
    HELD = "held"


class Takeover(enum.Enum):
    """What the next conductor does with a node whose conductor is gone."""

    #: Does the state's work again, once: it is harmless to repeat.
    RESUME = "resume"
    #: Applies ``fail``: nobody knows how far the work came.
    FAIL = "fail"
    #: Nothing but going on to watch: what is waited for still comes.
    LEAVE = "leave"


@dataclass(frozen=True, slots=True)
class Timeout:
    """What happens when nothing is heard for too long."""

    event: str
    #: Option of ``[conductor]`` with the seconds; 0 there: no limit.
    option: str


@dataclass(frozen=True, slots=True)
class State:
    """A row of the table."""

    kind: Kind
    #: Event to next state.
    events: Mapping[str, str]
    #: Where a node in this state is going; None at rest.
    target: str | None = None
    #: Which kind of steps is run, waited for or held here; None: none.
    steps: StepKind | None = None
    #: What becomes of a node whose conductor is gone; None: nothing.
    on_takeover: Takeover | None = None
    #: None: it may last for ever.
    on_timeout: Timeout | None = None

    @property
    def stable(self) -> bool:
        """Whether nothing happens until somebody asks for it."""
        return self.kind in (Kind.REST, Kind.FAILED, Kind.HELD)


STATES: Mapping[str, State] = types.MappingProxyType(
    {
        # -- coming in ---------------------------------------------------
        ENROLL: State(
            Kind.REST,
            {"manage": VERIFYING},
        ),
        VERIFYING: State(
            Kind.BUSY,
            {"done": MANAGEABLE, "fail": ENROLL},
            target=MANAGEABLE,
            steps="verify",
            on_takeover=Takeover.RESUME,
        ),
        MANAGEABLE: State(
            Kind.REST,
            {
                "provide": CLEANING,
                "clean": CLEANING,
                "inspect": INSPECTING,
                "adopt": ADOPTING,
            },
        ),
        INSPECTING: State(
            Kind.BUSY,
            {"done": MANAGEABLE, "wait": INSPECTWAIT, "fail": INSPECTFAIL},
            target=MANAGEABLE,
            on_takeover=Takeover.FAIL,
        ),
        INSPECTWAIT: State(
            Kind.WAITING,
            {
                "done": MANAGEABLE,
                "resume": INSPECTING,
                "fail": INSPECTFAIL,
                "abort": INSPECTFAIL,
            },
            target=MANAGEABLE,
            on_takeover=Takeover.LEAVE,
            on_timeout=Timeout("fail", "inspect_wait_timeout"),
        ),
        INSPECTFAIL: State(
            Kind.FAILED,
            {"inspect": INSPECTING, "manage": MANAGEABLE},
            target=MANAGEABLE,
        ),
        ADOPTING: State(
            Kind.BUSY,
            {"done": ACTIVE, "fail": ADOPTFAIL},
            target=ACTIVE,
            on_takeover=Takeover.FAIL,
        ),
        ADOPTFAIL: State(
            Kind.FAILED,
            {"adopt": ADOPTING, "manage": MANAGEABLE},
            target=ACTIVE,
        ),
        # -- cleaning ----------------------------------------------------
        # On the way to ``available`` after ``provide`` and ``delete``, to
        # ``manageable`` after ``clean``; the node carries which.
        CLEANING: State(
            Kind.BUSY,
            {
                "done": AVAILABLE,
                "withhold": MANAGEABLE,
                "wait": CLEANWAIT,
                "hold": CLEANHOLD,
                "fail": CLEANFAIL,
            },
            target=AVAILABLE,
            steps="clean",
            on_takeover=Takeover.FAIL,
        ),
        CLEANWAIT: State(
            Kind.WAITING,
            {"resume": CLEANING, "fail": CLEANFAIL, "abort": CLEANFAIL},
            target=AVAILABLE,
            steps="clean",
            on_takeover=Takeover.LEAVE,
            on_timeout=Timeout("fail", "clean_callback_timeout"),
        ),
        CLEANHOLD: State(
            Kind.HELD,
            {"unhold": CLEANING, "abort": CLEANFAIL},
            target=AVAILABLE,
            steps="clean",
        ),
        CLEANFAIL: State(
            Kind.FAILED,
            {"manage": MANAGEABLE},
            target=AVAILABLE,
        ),
        AVAILABLE: State(
            Kind.REST,
            {"deploy": DEPLOYING, "manage": MANAGEABLE},
        ),
        # -- carrying an instance ----------------------------------------
        DEPLOYING: State(
            Kind.BUSY,
            {
                "done": ACTIVE,
                "wait": DEPLOYWAIT,
                "hold": DEPLOYHOLD,
                "fail": DEPLOYFAIL,
            },
            target=ACTIVE,
            steps="deploy",
            on_takeover=Takeover.FAIL,
        ),
        DEPLOYWAIT: State(
            Kind.WAITING,
            {
                "done": ACTIVE,
                "resume": DEPLOYING,
                "fail": DEPLOYFAIL,
                "delete": DELETING,
            },
            target=ACTIVE,
            steps="deploy",
            on_takeover=Takeover.LEAVE,
            on_timeout=Timeout("fail", "deploy_callback_timeout"),
        ),
        DEPLOYHOLD: State(
            Kind.HELD,
            {"unhold": DEPLOYING, "abort": DEPLOYFAIL, "delete": DELETING},
            target=ACTIVE,
            steps="deploy",
        ),
        DEPLOYFAIL: State(
            Kind.FAILED,
            {"deploy": DEPLOYING, "rebuild": DEPLOYING, "delete": DELETING},
            target=ACTIVE,
        ),
        ACTIVE: State(
            Kind.REST,
            {
                "rebuild": DEPLOYING,
                "delete": DELETING,
                "rescue": RESCUING,
                "service": SERVICING,
            },
        ),
        DELETING: State(
            Kind.BUSY,
            {"done": CLEANING, "fail": ERROR},
            target=AVAILABLE,
            on_takeover=Takeover.RESUME,
        ),
        ERROR: State(
            Kind.REST,
            {"rebuild": DEPLOYING, "delete": DELETING},
        ),
        # -- rescue ------------------------------------------------------
        RESCUING: State(
            Kind.BUSY,
            {"done": RESCUE, "wait": RESCUEWAIT, "fail": RESCUEFAIL},
            target=RESCUE,
            on_takeover=Takeover.FAIL,
        ),
        RESCUEWAIT: State(
            Kind.WAITING,
            {
                "resume": RESCUING,
                "fail": RESCUEFAIL,
                "abort": RESCUEFAIL,
                "delete": DELETING,
            },
            target=RESCUE,
            on_takeover=Takeover.LEAVE,
            on_timeout=Timeout("fail", "rescue_callback_timeout"),
        ),
        RESCUE: State(
            Kind.REST,
            {"rescue": RESCUING, "unrescue": UNRESCUING, "delete": DELETING},
        ),
        RESCUEFAIL: State(
            Kind.FAILED,
            {"rescue": RESCUING, "unrescue": UNRESCUING, "delete": DELETING},
            target=RESCUE,
        ),
        UNRESCUING: State(
            Kind.BUSY,
            {"done": ACTIVE, "fail": UNRESCUEFAIL},
            target=ACTIVE,
            on_takeover=Takeover.FAIL,
        ),
        UNRESCUEFAIL: State(
            Kind.FAILED,
            {"rescue": RESCUING, "unrescue": UNRESCUING, "delete": DELETING},
            target=ACTIVE,
        ),
        # -- servicing an instance's node ---------------------------------
        SERVICING: State(
            Kind.BUSY,
            {
                "done": ACTIVE,
                "wait": SERVICEWAIT,
                "hold": SERVICEHOLD,
                "fail": SERVICEFAIL,
            },
            target=ACTIVE,
            steps="service",
            on_takeover=Takeover.FAIL,
        ),
        SERVICEWAIT: State(
            Kind.WAITING,
            {
                "resume": SERVICING,
                "fail": SERVICEFAIL,
                "abort": SERVICEFAIL,
                "delete": DELETING,
            },
            target=ACTIVE,
            steps="service",
            on_takeover=Takeover.LEAVE,
            on_timeout=Timeout("fail", "service_callback_timeout"),
        ),
        SERVICEHOLD: State(
            Kind.HELD,
            {"unhold": SERVICING, "abort": SERVICEFAIL, "delete": DELETING},
            target=ACTIVE,
            steps="service",
        ),
        # ``abort`` leaves the node to its instance as it is.
        SERVICEFAIL: State(
            Kind.FAILED,
            {
                "service": SERVICING,
                "abort": ACTIVE,
                "rescue": RESCUING,
                "rebuild": DEPLOYING,
                "delete": DELETING,
            },
            target=ACTIVE,
        ),
    }
)

#: Journeys on which a ramdisk may run on the node and report: those that can
#: wait, with their work and their holds.
RAMDISK_STATES = frozenset(
    name
    for name, row in STATES.items()
    if row.kind in (Kind.WAITING, Kind.HELD)
) | frozenset(
    row.events["resume"] for row in STATES.values() if "resume" in row.events
)

#: Events inside one journey: where the node was going, it still goes.
CONTINUING = frozenset({"wait", "resume", "hold", "unhold", "fail", "abort"})


@dataclass(frozen=True, slots=True)
class Verb:
    """What a client may put into ``PUT states/provision``."""

    event: str
    #: Target that the journey has, where it is not the next state's own.
    target: str | None = None
    #: Refused while the node is in maintenance.
    needs_no_maintenance: bool = False
    #: Refused while the node is protected: it ends or replaces the instance.
    ends_instance: bool = False


VERBS: Mapping[str, Verb] = types.MappingProxyType(
    {
        "manage": Verb("manage"),
        "provide": Verb("provide"),
        "inspect": Verb("inspect"),
        "clean": Verb("clean", target=MANAGEABLE),
        "abort": Verb("abort"),
        "adopt": Verb("adopt"),
        "active": Verb("deploy", needs_no_maintenance=True),
        "deploy": Verb("deploy", needs_no_maintenance=True),
        "rebuild": Verb(
            "rebuild", needs_no_maintenance=True, ends_instance=True
        ),
        "deleted": Verb("delete", ends_instance=True),
        "undeploy": Verb("delete", ends_instance=True),
        "rescue": Verb("rescue", needs_no_maintenance=True),
        "unrescue": Verb("unrescue", needs_no_maintenance=True),
        "service": Verb("service", needs_no_maintenance=True),
        "unhold": Verb("unhold"),
    }
)


@dataclass(frozen=True, slots=True)
class Transition:
    """What an event leads to."""

    source: str
    event: str
    state: str
    target: str | None

    @property
    def reason(self) -> str:
        """The sentence for log and history."""
        text = f'"{self.source}" -> "{self.state}" on {self.event}'
        return f'{text}, target "{self.target}"' if self.target else text


class InvalidEvent(Exception):
    """The state does not take the event; nothing was changed."""

    def __init__(self, state: str, event: str) -> None:
        super().__init__(f'event "{event}" is not possible in "{state}"')
        self.state = state
        self.event = event


def _build() -> machines.FiniteMachine:
    machine = machines.FiniteMachine()
    for name in STATES:
        machine.add_state(name)
    for name, row in STATES.items():
        for event, following in row.events.items():
            machine.add_transition(name, following, event)
    machine.freeze()
    return machine


MACHINE = _build()


def process_event(
    state: str,
    event: str,
    target: str | None = None,
    new_target: str | None = None,
) -> Transition:
    """Where ``event`` leads from ``state``.

    ``target``: the node's present target, kept while the journey goes on.
    ``new_target``: where a journey that begins shall go, if not to the next
    state's usual target. Errors: InvalidEvent (also for unknown names).
    """
    if state not in STATES:
        raise InvalidEvent(state, event)
    machine = MACHINE.copy(shallow=True)
    machine.initialize(state)
    try:
        machine.process_event(event)
    except machine_errors.NotFound:
        raise InvalidEvent(state, event) from None
    following = str(machine.current_state)
    row = STATES[following]
    if row.kind is Kind.REST:
        goal = None
    elif event in CONTINUING:
        goal = target or row.target
    else:
        goal = new_target or row.target
    return Transition(state, event, following, goal)


def verbs_from(state: str) -> tuple[str, ...]:
    """The verbs that a node in this state takes, by name."""
    row = STATES.get(state)
    if row is None:
        return ()
    return tuple(v for v, verb in VERBS.items() if verb.event in row.events)
