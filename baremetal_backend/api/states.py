# SPDX-License-Identifier: Apache-2.0
"""``/v1/nodes/{node}/states``: what a node is doing, and shall do.

Every change is answered with 202 once the conductor has applied it, so that
a client never polls a state older than its own request.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from baremetal_backend.api import node_ident, wellformed
from baremetal_backend.api.call import (
    ACCEPTED,
    NO_CONTENT,
    Answer,
    Call,
    answer,
    takes,
)
from baremetal_backend.api.faults import BadField
from baremetal_backend.api.hardware_calls import waits_for_hardware
from baremetal_backend.core import states
from baremetal_backend.core.records import INTERFACES
from baremetal_backend.rpc.interface import ProvisioningParams

_ALWAYS = (
    "console_enabled",
    "last_error",
    "power_state",
    "provision_state",
    "provision_updated_at",
    "target_power_state",
    "target_provision_state",
)

#: Targets of states/power, and the version that brought each.
POWER_TARGETS: Mapping[str, int] = {
    "power on": 1,
    "power off": 1,
    "rebooting": 1,
    "soft power off": 27,
    "soft rebooting": 27,
}

#: Verbs of states/provision that are younger than the API itself.
VERBS_SINCE: Mapping[str, int] = {
    "manage": 4,
    "provide": 4,
    "inspect": 6,
    "abort": 13,
    "clean": 15,
    "adopt": 17,
    "rescue": 38,
    "unrescue": 38,
    "deploy": 73,
    "undeploy": 73,
    "unhold": 85,
    "service": 87,
}

_DEPLOYS = ("active", "deploy", "rebuild")

# What may come with which verbs, since when.
_COMPANIONS: Mapping[str, tuple[tuple[str, ...], int]] = {
    "configdrive": (_DEPLOYS, 1),
    "deploy_steps": (_DEPLOYS, 69),
    "clean_steps": (("clean",), 15),
    "service_steps": (("service",), 87),
    "disable_ramdisk": (("clean", "service"), 70),
    "rescue_password": (("rescue",), 38),
    "runbook": (("clean", "service"), 92),
}

_STEP = {
    "type": "object",
    "properties": {
        "interface": {"enum": list(INTERFACES)},
        "step": {"type": "string", "minLength": 1, "maxLength": 255},
        "args": {"type": "object"},
        "priority": {"type": "integer", "minimum": 0, "maximum": 1000000},
        "execute_on_child_nodes": {"type": "boolean"},
        "limit_child_node_execution": {
            "type": "array",
            "maxItems": 1000,
            "items": {"type": "string", "maxLength": 255},
        },
    },
    "required": ["interface", "step"],
    "additionalProperties": False,
}
_STEPS = {"type": ["array", "null"], "maxItems": 256, "items": _STEP}

POWER_BODY = {
    "type": "object",
    "properties": {
        "target": {"type": "string", "maxLength": 32},
        "timeout": {
            "type": ["integer", "null"],
            "minimum": 1,
            "maximum": 1000000,
        },
    },
    "required": ["target"],
    "additionalProperties": False,
}

PROVISION_BODY = {
    "type": "object",
    "properties": {
        "target": {"type": "string", "maxLength": 32},
        "configdrive": {"type": ["string", "object", "null"]},
        "clean_steps": _STEPS,
        "deploy_steps": _STEPS,
        "service_steps": _STEPS,
        "rescue_password": {
            "type": ["string", "null"],
            "maxLength": 255,
            "pattern": wellformed.LINE_PATTERN,
        },
        "disable_ramdisk": {"type": ["boolean", "null"]},
        "runbook": {"type": ["string", "null"], "maxLength": 255},
    },
    "required": ["target"],
    "additionalProperties": False,
}

CONSOLE_BODY = {
    "type": "object",
    "properties": {"enabled": {"type": ["boolean", "string"]}},
    "required": ["enabled"],
    "additionalProperties": False,
}

BOOT_MODE_BODY = {
    "type": "object",
    "properties": {"target": {"enum": ["bios", "uefi"]}},
    "required": ["target"],
    "additionalProperties": False,
}

SECURE_BOOT_BODY = {
    "type": "object",
    "properties": {"target": {"type": ["boolean", "string"]}},
    "required": ["target"],
    "additionalProperties": False,
}

RAID_BODY = {
    "type": "object",
    "properties": {
        "logical_disks": {"type": "array", "maxItems": 256,
                          "items": {"type": "object"}},
    },
    "additionalProperties": False,
}  # fmt: skip


def show(call: Call, node: str) -> Answer:
    """GET /v1/nodes/{node}/states"""
    found = call.storage.nodes.get(node_ident.checked(call, node))
    shown: dict[str, Any] = {name: getattr(found, name) for name in _ALWAYS}
    if call.version < 2 and found.provision_state == states.AVAILABLE:
        shown["provision_state"] = None
    if call.version < 39 and found.provision_state == states.INSPECTWAIT:
        shown["provision_state"] = states.INSPECTING
    if call.version >= 12:
        shown["raid_config"] = found.raid_config
        shown["target_raid_config"] = found.target_raid_config
    if call.version >= 75:
        shown["boot_mode"] = found.boot_mode
        shown["secure_boot"] = found.secure_boot
    return answer(shown)


@takes(body=POWER_BODY)
def power(call: Call, node: str) -> Answer:
    """PUT /v1/nodes/{node}/states/power"""
    ident = node_ident.checked(call, node)
    target = wellformed.one_of(
        call.body["target"], "target", tuple(POWER_TARGETS)
    )
    call.needs(POWER_TARGETS[target], f'The target "{target}"')
    timeout = call.body.get("timeout")
    if timeout is not None:
        call.needs(27, "timeout")
    call.conductor.change_node_power_state(ident, target, timeout)
    return _accepted(call, node)


@takes(body=PROVISION_BODY, big_body=True)
def provision(call: Call, node: str) -> Answer:
    """PUT /v1/nodes/{node}/states/provision"""
    ident = node_ident.checked(call, node)
    verb = wellformed.one_of(
        call.body["target"], "target", tuple(states.VERBS)
    )
    call.needs(VERBS_SINCE.get(verb, 1), f'The target "{verb}"')
    params = _params(call, verb, call.body)
    with _place(call, ident, verb):
        call.conductor.do_provisioning_action(ident, verb, params)
    return _accepted(call, node)


def _place(
    call: Call, ident: str, verb: str
) -> contextlib.AbstractContextManager[None]:
    """One among those that wait, if whoever inspects the node is told."""
    if verb != "abort":
        return contextlib.nullcontext()
    (state,) = call.storage.nodes.row(ident, ("provision_state",))
    if state != states.INSPECTWAIT:
        return contextlib.nullcontext()
    return call.services.places


def _params(
    call: Call, verb: str, body: Mapping[str, Any]
) -> ProvisioningParams:
    for name, (verbs, since) in _COMPANIONS.items():
        if body.get(name) in (None, [], False):
            continue
        call.needs(since, name)
        if verb not in verbs:
            words = ", ".join(verbs)
            raise BadField(name, f"is only valid with target: {words}")
    configdrive = body.get("configdrive")
    if configdrive is not None and verb == "rebuild":
        call.needs(35, "configdrive with rebuild")
    if isinstance(configdrive, dict):
        call.needs(56, "configdrive as an object")
        _check_configdrive(configdrive)
    if verb == "clean" and not (
        body.get("clean_steps") or body.get("runbook")
    ):
        raise BadField("clean_steps", "is required with target clean")
    if verb == "service" and not (
        body.get("service_steps") or body.get("runbook")
    ):
        raise BadField("service_steps", "is required with target service")
    if verb == "rescue" and not (body.get("rescue_password") or "").strip():
        raise BadField("rescue_password", "is required with target rescue")
    for number, step in enumerate(body.get("deploy_steps") or ()):
        if "priority" not in step:
            raise BadField(f"deploy_steps.{number}.priority", "is required")
    return ProvisioningParams(
        configdrive=configdrive,
        rescue_password=body.get("rescue_password"),
        clean_steps=tuple(body.get("clean_steps") or ()),
        deploy_steps=tuple(body.get("deploy_steps") or ()),
        service_steps=tuple(body.get("service_steps") or ()),
        disable_ramdisk=bool(body.get("disable_ramdisk")),
        runbook=body.get("runbook"),
    )


def _check_configdrive(configdrive: Mapping[str, Any]) -> None:
    known = ("meta_data", "network_data", "user_data", "vendor_data")
    for name, value in configdrive.items():
        if name not in known:
            raise BadField(
                f"configdrive.{wellformed.shown(name)[1:-1]}",
                f"is not one of: {', '.join(known)}",
            )
        kinds = (dict, list, str) if name == "user_data" else (dict,)
        if value is not None and not isinstance(value, kinds):
            raise BadField(f"configdrive.{name}", "is not of type object")


def show_console(call: Call, node: str) -> Answer:
    """GET /v1/nodes/{node}/states/console"""
    console = call.conductor.get_console_information(
        node_ident.checked(call, node)
    )
    return answer(
        {
            "console_enabled": console.console_enabled,
            "console_info": None
            if console.console_info is None
            else dict(console.console_info),
        }
    )


@waits_for_hardware
@takes(body=CONSOLE_BODY)
def set_console(call: Call, node: str) -> Answer:
    """PUT /v1/nodes/{node}/states/console"""
    enabled = wellformed.boolean(call.body["enabled"], "enabled")
    call.conductor.set_console_mode(node_ident.checked(call, node), enabled)
    return Answer(202, location=f"{_url(call, node)}/console")


@waits_for_hardware
@takes(body=BOOT_MODE_BODY)
def set_boot_mode(call: Call, node: str) -> Answer:
    """PUT /v1/nodes/{node}/states/boot_mode"""
    call.conductor.set_boot_mode(
        node_ident.checked(call, node), call.body["target"]
    )
    return _accepted(call, node)


@waits_for_hardware
@takes(body=SECURE_BOOT_BODY)
def set_secure_boot(call: Call, node: str) -> Answer:
    """PUT /v1/nodes/{node}/states/secure_boot"""
    target = wellformed.boolean(call.body["target"], "target")
    call.conductor.set_secure_boot(node_ident.checked(call, node), target)
    return _accepted(call, node)


@takes(body=RAID_BODY)
def set_raid(call: Call, node: str) -> Answer:
    """PUT /v1/nodes/{node}/states/raid"""
    call.conductor.set_target_raid_config(
        node_ident.checked(call, node), call.body
    )
    return NO_CONTENT


def _accepted(call: Call, node: str) -> Answer:
    return Answer(ACCEPTED.status, location=_url(call, node))


def _url(call: Call, node: str) -> str:
    return f"{call.base}/v1/nodes/{node}/states"
