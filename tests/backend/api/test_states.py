# SPDX-License-Identifier: Apache-2.0
"""What a client asks a node to do."""

import uuid

import pytest

from tests.backend.running import until

ERASE = [{"interface": "deploy", "step": "erase_devices"}]
VIF = "22222222-2222-4222-8222-222222222222"


@pytest.fixture(scope="module")
def ready(backend):
    """A node that is available, for tests that leave it so."""
    return backend.available_node()["uuid"]


def power_state(http, node):
    return http("GET", f"/v1/nodes/{node}/states").json["power_state"]


def test_a_node_goes_from_enrolment_to_an_instance_and_back(http, backend):
    node = backend.available_node()["uuid"]
    assert power_state(http, node) is not None
    path = f"/v1/nodes/{node}/states/provision"
    drive = {"meta_data": {"a": "b"}, "user_data": "x"}
    for verb, state, more in (
        ("active", "active", {"configdrive": drive}),
        ("rebuild", "active", {}),
        ("rescue", "rescue", {"rescue_password": "pw"}),
        ("unrescue", "active", {}),
        ("deleted", "available", {}),
        ("manage", "manageable", {}),
        ("inspect", "manageable", {}),
        ("clean", "manageable", {"clean_steps": ERASE}),
        ("provide", "available", {}),
    ):
        reply = http("PUT", path, {"target": verb, **more})
        assert reply.status == 202, (verb, reply.data)
        assert reply.data == b""
        assert reply.headers["location"].endswith(f"/{node}/states")
        backend.state(node, state)
        until(
            lambda: (
                http("GET", f"/v1/nodes/{node}").json["reservation"] is None
            ),
            10,
            "the node to be released",
        )


def test_an_answer_is_never_older_than_its_request(http, backend):
    node = backend.node(
        driver_info={"fake_management_delay": "1", "fake_power_delay": "1"}
    )["uuid"]
    http("PUT", f"/v1/nodes/{node}/states/provision", {"target": "manage"})
    shown = http("GET", f"/v1/nodes/{node}/states").json
    assert shown["provision_state"] in ("verifying", "manageable")


@pytest.mark.parametrize(
    ("verb", "more"),
    [("active", {}), ("deleted", {}), ("provide", {}), ("abort", {}),
     ("rescue", {"rescue_password": "x"}), ("unrescue", {}), ("rebuild", {})],
)  # fmt: skip
def test_a_verb_that_the_state_does_not_take_is_told_with_both(
    http, node, verb, more
):
    path = f"/v1/nodes/{node['uuid']}/states/provision"
    reply = http("PUT", path, {"target": verb, **more})
    assert reply.status == 400
    assert f'"{verb}"' in reply.fault
    assert '"enroll"' in reply.fault
    shown = http("GET", f"/v1/nodes/{node['uuid']}/states").json
    assert shown["provision_state"] == "enroll"


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, "target"),
        ([], "body"),
        ({"target": None}, "target"),
        ({"target": "zork"}, "target"),
        ({"target": "x" * 100}, "target"),
        ({"target": "manage", "zork": 1}, "zork"),
        ({"target": "manage", "configdrive": "x"}, "configdrive"),
        ({"target": "manage", "rescue_password": "x"}, "rescue_password"),
        ({"target": "manage", "clean_steps": [
            {"interface": "deploy", "step": "x"}]}, "clean_steps"),
        ({"target": "clean"}, "clean_steps"),
        ({"target": "clean", "clean_steps": []}, "clean_steps"),
        ({"target": "clean", "clean_steps": "x"}, "clean_steps"),
        ({"target": "clean", "clean_steps": [1]}, "clean_steps.0"),
        ({"target": "clean", "clean_steps": [{}]}, "clean_steps.0"),
        ({"target": "clean", "clean_steps": [
            {"interface": "zork", "step": "x"}]}, "clean_steps.0.interface"),
        ({"target": "clean", "clean_steps": [
            {"interface": "bios", "step": "x", "z": 1}]}, "clean_steps.0.z"),
        ({"target": "active", "deploy_steps": [
            {"interface": "bios", "step": "x"}]}, "deploy_steps.0.priority"),
        ({"target": "rescue"}, "rescue_password"),
        ({"target": "rescue", "rescue_password": " "}, "rescue_password"),
        ({"target": "active", "configdrive": 3}, "configdrive"),
        ({"target": "active", "configdrive": {"zork": 1}}, "zork"),
        ({"target": "active", "configdrive": {"meta_data": 1}}, "meta_data"),
    ],
)  # fmt: skip
def test_a_request_that_makes_no_sense_is_refused_by_name(
    http, node, body, named
):
    path = f"/v1/nodes/{node['uuid']}/states/provision"
    reply = http("PUT", path, body)
    assert reply.status == 400
    assert named in reply.fault
    assert http("GET", f"/v1/nodes/{node['uuid']}").json == node


@pytest.mark.parametrize(
    ("target", "version", "status"),
    [("manage", "1.3", 406), ("abort", "1.12", 406), ("clean", "1.14", 406),
     ("adopt", "1.16", 406), ("rescue", "1.37", 406), ("deploy", "1.72", 406),
     ("deploy", "1.73", 400), ("active", "1.1", 400)],
)  # fmt: skip
def test_a_verb_needs_its_version(http, node, target, version, status):
    path = f"/v1/nodes/{node['uuid']}/states/provision"
    assert http("PUT", path, {"target": target}, version=version).status == (
        status
    )


@pytest.mark.parametrize(
    ("target", "reached"),
    [
        ("power on", "power on"),
        ("rebooting", "power on"),
        ("soft rebooting", "power on"),
        ("soft power off", "power off"),
        ("power on", "power on"),
        ("power off", "power off"),
    ],
)
def test_power_is_switched(http, ready, target, reached):
    path = f"/v1/nodes/{ready}/states/power"
    reply = http("PUT", path, {"target": target, "timeout": 30})
    assert reply.status == 202, reply.data

    def settled():
        shown = http("GET", f"/v1/nodes/{ready}").json
        return (
            shown["power_state"] == reached
            and shown["target_power_state"] is None
            and shown["reservation"] is None
        )

    until(settled, 10, f"{target} to be done")


@pytest.mark.parametrize(
    ("body", "named"),
    [({}, "target"), ({"target": "zork"}, "target"),
     ({"target": "power on", "timeout": 0}, "timeout"),
     ({"target": "power on", "timeout": -1}, "timeout"),
     ({"target": "power on", "timeout": "x"}, "timeout"),
     ({"target": "power on", "timeout": 1.5}, "timeout"),
     ({"target": "power on", "timeout": True}, "timeout"),
     ({"target": "power on", "timeout": 10**20}, "timeout"),
     ({"target": "power on", "zork": 1}, "zork")],
)  # fmt: skip
def test_a_power_request_that_makes_no_sense_is_refused(
    http, ready, body, named
):
    reply = http("PUT", f"/v1/nodes/{ready}/states/power", body)
    assert reply.status == 400
    assert named in reply.fault


def test_soft_power_needs_its_version(http, ready):
    path = f"/v1/nodes/{ready}/states/power"
    body = {"target": "soft power off"}
    assert http("PUT", path, body, version="1.26").status == 406


def test_maintenance_is_set_with_a_reason_and_unset(http, node):
    path = f"/v1/nodes/{node['uuid']}"
    reply = http("PUT", f"{path}/maintenance", {"reason": "fan broken"})
    assert (reply.status, reply.data) == (202, b"")
    shown = http("GET", path).json
    assert shown["maintenance"] is True
    assert shown["maintenance_reason"] == "fan broken"
    assert http("DELETE", f"{path}/maintenance").status == 202
    shown = http("GET", path).json
    assert shown["maintenance"] is False
    assert shown["maintenance_reason"] is None
    assert http("PUT", f"{path}/maintenance").status == 202
    assert http("PUT", f"{path}/maintenance", {"reason": 3}).status == 400
    assert http("PUT", f"{path}/maintenance", {"why": "x"}).status == 400


def test_interfaces_are_validated(http, node):
    shown = http("GET", f"/v1/nodes/{node['uuid']}/validate").json
    assert {"deploy", "power", "storage", "management"} <= set(shown)
    assert shown["power"]["result"] is True


def test_the_console_is_switched_and_shown(http, ready):
    path = f"/v1/nodes/{ready}/states/console"
    assert http("GET", path).json == {
        "console_enabled": False,
        "console_info": None,
    }
    assert http("PUT", path, {"enabled": True}).status == 202
    until(lambda: http("GET", path).json["console_enabled"], 10, "console")
    assert http("GET", path).json["console_info"]
    assert http("PUT", path, {"enabled": "false"}).status == 202
    until(
        lambda: not http("GET", path).json["console_enabled"], 10, "no console"
    )
    for body in ({}, {"enabled": "x"}, {"enabled": None}, {"enabled": 1}):
        reply = http("PUT", path, body)
        assert reply.status == 400
        assert "enabled" in reply.fault


def test_the_boot_device_is_set_and_shown(http, ready):
    path = f"/v1/nodes/{ready}/management/boot_device"
    devices = http("GET", f"{path}/supported").json["supported_boot_devices"]
    assert "pxe" in devices
    body = {"boot_device": "disk", "persistent": True}
    assert http("PUT", path, body).status == 204
    assert http("GET", path).json == body
    for wrong in ({}, {"boot_device": "zork"}, {"boot_device": 3},
                  {"boot_device": "pxe", "persistent": "x"}):  # fmt: skip
        reply = http("PUT", path, wrong)
        assert reply.status == 400
        assert "oot" in reply.fault or "persistent" in reply.fault


def test_boot_mode_and_secure_boot_are_switched(http, ready):
    path = f"/v1/nodes/{ready}/states"
    assert http("PUT", f"{path}/boot_mode", {"target": "uefi"}).status == 202
    assert http("PUT", f"{path}/boot_mode", {"target": "zork"}).status == 400
    until(
        lambda: http("GET", path).json["boot_mode"] == "uefi", 10, "boot mode"
    )
    assert http("PUT", f"{path}/secure_boot", {"target": True}).status == 202
    assert http("PUT", f"{path}/secure_boot", {"target": "x"}).status == 400
    until(lambda: http("GET", path).json["secure_boot"], 10, "secure boot")
    assert (
        http("PUT", f"{path}/boot_mode", {"target": "uefi"}, version="1.75")
    ).status == 404


def test_what_the_hardware_cannot_do_is_told_so(http, ready):
    for method, path, body in (
        ("PUT", "management/inject_nmi", {}),
        ("GET", "vmedia", None),
        ("POST", "vmedia", {"device_type": "cdrom", "image_url": "http://x"}),
        ("GET", "management/indicators", None),
    ):
        reply = http(method, f"/v1/nodes/{ready}/{path}", body)
        assert reply.status == 400
        assert "does not support" in reply.fault


def test_vifs_are_attached_and_detached(http, node):
    path = f"/v1/nodes/{node['uuid']}/vifs"
    assert http("GET", path).json == {"vifs": []}
    assert http("POST", path, {"id": VIF}).status == 204
    assert http("GET", path).json == {"vifs": [{"id": VIF}]}
    assert http("POST", path, {"id": VIF}).status == 409
    assert http("DELETE", f"{path}/{VIF}").status == 204
    assert http("DELETE", f"{path}/{VIF}").status == 400
    assert http("GET", path).json == {"vifs": []}
    for body in (
        {},
        {"id": 3},
        {"id": ""},
        {"id": "a b"},
        {"id": VIF, "x": 1},
        {"id": VIF, "port_uuid": "x"},
    ):
        assert http("POST", path, body).status == 400
    assert http("GET", path, version="1.27").status == 404


def test_traits_are_set_added_and_removed(http, node):
    path = f"/v1/nodes/{node['uuid']}/traits"
    assert (
        http("PUT", path, {"traits": ["CUSTOM_B", "CUSTOM_A"]}).status == 204
    )
    assert http("PUT", f"{path}/CUSTOM_C").status == 204
    assert http("PUT", f"{path}/HW_CPU_X86_VMX").status == 204
    wanted = ["CUSTOM_A", "CUSTOM_B", "CUSTOM_C", "HW_CPU_X86_VMX"]
    assert http("GET", path).json == {"traits": wanted}
    assert http("GET", f"/v1/nodes/{node['uuid']}").json["traits"] == wanted
    assert http("DELETE", f"{path}/CUSTOM_A").status == 204
    assert http("DELETE", f"{path}/CUSTOM_A").status == 404
    assert http("GET", path).json == {"traits": wanted[1:]}
    assert http("DELETE", path).status == 204
    assert http("GET", path).json == {"traits": []}


@pytest.mark.parametrize(
    "trait",
    ["x", "custom_a", "CUSTOM_", "CUSTOM_a", "CUSTOM_A-B", "HW_NO_SUCH",
     "CUSTOM_%0A", "CUSTOM_A%0A", "CUSTOM_%C3%84", "CUSTOM_" + "A" * 250],
)  # fmt: skip
def test_a_trait_that_placement_does_not_know_is_refused(http, node, trait):
    path = f"/v1/nodes/{node['uuid']}/traits"
    assert http("PUT", f"{path}/{trait}").status == 400
    assert http("PUT", path, {"traits": ["CUSTOM_A", "x y"]}).status == 400
    assert http("GET", path).json == {"traits": []}


def test_a_node_has_at_most_fifty_traits(http, node):
    path = f"/v1/nodes/{node['uuid']}/traits"
    traits = [f"CUSTOM_T{n:02d}" for n in range(51)]
    assert http("PUT", path, {"traits": traits}).status == 400
    assert http("PUT", path, {"traits": traits[:50]}).status == 204
    reply = http("PUT", f"{path}/CUSTOM_T50")
    assert reply.status == 400
    assert "traits" in reply.fault


def test_raid_is_remembered_for_the_next_cleaning(http, node):
    path = f"/v1/nodes/{node['uuid']}/states"
    wanted = {"logical_disks": [{"size_gb": 100, "raid_level": "1"}]}
    assert http("PUT", f"{path}/raid", wanted).status == 204
    assert http("GET", path).json["target_raid_config"] == wanted
    assert http("PUT", f"{path}/raid", {"logical_disks": 3}).status == 400


def test_what_happened_is_told_in_order(http, backend):
    node = backend.available_node()["uuid"]
    path = f"/v1/nodes/{node}/history"
    events = http("GET", path).json["history"]
    assert len(events) >= 3
    assert all(set(e) >= {"uuid", "event", "severity"} for e in events)
    first = http("GET", f"{path}?limit=1").json
    assert [e["uuid"] for e in first["history"]] == [events[0]["uuid"]]
    rest = f"{path}?limit=100&marker={events[0]['uuid']}"
    assert http("GET", rest).json["history"] == events[1:]
    one = http("GET", f"{path}/{events[0]['uuid']}").json
    assert one["event_type"]
    assert http("GET", f"{path}/{uuid.uuid4()}").status == 404
    assert http("GET", f"{path}?marker={uuid.uuid4()}").status == 400
    assert http("GET", f"{path}?fields=zork").status == 400


def test_hardware_details_of_a_node_that_has_none(http, node):
    path = f"/v1/nodes/{node['uuid']}"
    assert http("GET", f"{path}/bios").json == {"bios": []}
    assert http("GET", f"{path}/bios/x").status == 404
    assert http("GET", f"{path}/firmware").json == {"firmware": []}
    assert http("GET", f"{path}/inventory").status == 404
    assert http("GET", f"{path}/allocation").status == 404
    assert http("GET", f"{path}/vendor_passthru/methods").status == 200


def test_a_service_is_held_looked_at_and_let_go(http, backend):
    node = backend.available_node()["uuid"]
    path = f"/v1/nodes/{node}/states/provision"
    http("PUT", path, {"target": "active"})
    backend.state(node, "active")
    steps = [
        {"interface": "bios", "step": "factory_reset"},
        {"interface": "power", "step": "hold"},
        {"interface": "power", "step": "reboot"},
    ]
    body = {"target": "service", "service_steps": steps}
    assert http("PUT", path, body, version="1.86").status == 406
    assert http("PUT", path, body).status == 202
    backend.state(node, "service hold")
    shown = http("GET", f"/v1/nodes/{node}").json
    assert shown["service_step"]["step"] == "hold"
    assert shown["reservation"] is None
    reply = http("PUT", path, {"target": "rebuild"})
    assert reply.status == 400
    assert "Possible in this state: abort, deleted, undeploy, unhold." in (
        reply.fault
    )
    assert http("PUT", path, {"target": "unhold"}, "1.84").status == 406
    assert http("PUT", path, {"target": "unhold"}).status == 202
    backend.state(node, "active")
    shown = http("GET", f"/v1/nodes/{node}").json
    assert (shown["service_step"], shown["last_error"]) == ({}, None)


def test_a_wait_that_is_polled_ends_by_itself(http, backend):
    node = backend.available_node(
        driver_info={"fake_deploy_wait": "poll", "fake_deploy_delay": "1"}
    )["uuid"]
    path = f"/v1/nodes/{node}/states/provision"
    http("PUT", path, {"target": "active"})
    backend.state(node, "wait call-back")
    backend.state(node, "active")
    shown = http("GET", f"/v1/nodes/{node}/states").json
    assert shown["power_state"] == "power on"


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"target": "service"}, "service_steps"),
        ({"target": "service", "clean_steps": ERASE}, "clean_steps"),
        (
            {
                "target": "service",
                "service_steps": [{"interface": "bios", "step": "explode"}],
            },
            "step explode of interface bios",
        ),
        (
            {
                "target": "service",
                "service_steps": [
                    {"interface": "bios", "step": "apply_configuration"}
                ],
            },
            '"settings" is required',
        ),
    ],
)
def test_a_service_that_makes_no_sense_is_refused_by_name(
    http, backend, body, named
):
    node = backend.node()["uuid"]
    for verb in ("manage", "adopt"):
        http("PUT", f"/v1/nodes/{node}/states/provision", {"target": verb})
        backend.state(node, {"manage": "manageable", "adopt": "active"}[verb])
    reply = http("PUT", f"/v1/nodes/{node}/states/provision", body)
    assert reply.status == 400
    assert named in reply.fault
