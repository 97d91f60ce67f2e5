# SPDX-License-Identifier: Apache-2.0
"""The classic names: what each of them offers, and in which order."""

from __future__ import annotations

import dataclasses
import sys

import pytest

from baremetal_backend.conf.settings import ConfigurationError, Settings
from baremetal_backend.core.records import INTERFACES
from baremetal_backend.drivers import loader
from baremetal_backend.drivers.classic import beginning_with
from baremetal_backend.drivers.discoverd.interface import DiscoverdInspect
from baremetal_backend.drivers.ssh.client import SshClient
from baremetal_backend.storage import DatabaseOptions

SETTINGS = Settings("h", "/tmp", DatabaseOptions("sqlite://"))
CLASSIC = ("pxe_ipmitool", "pxe_ipminative", "pxe_ssh")


@pytest.fixture(scope="module")
def registry() -> loader.Registry:
    return loader.load(
        dataclasses.replace(
            SETTINGS, enabled_hardware_types=("ipmi", *CLASSIC)
        )
    )


def offered(registry: loader.Registry, name: str, kind: str) -> list[str]:
    return list(registry.types[name].interfaces[kind])


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("pxe_ipmitool", ["ipmitool", "ipmi"]),
        ("pxe_ipminative", ["ipmi", "ipmitool"]),
    ],
)
def test_the_name_says_which_client_comes_first(registry, name, first):
    assert offered(registry, name, "power") == first
    assert offered(registry, name, "management") == [*first, "noop"]
    assert offered(registry, name, "vendor") == [*first, "no-vendor"]


def test_a_virtual_machine_is_reached_over_ssh(registry):
    assert offered(registry, "pxe_ssh", "power") == ["ssh"]
    assert offered(registry, "pxe_ssh", "management") == ["ssh", "noop"]
    assert offered(registry, "pxe_ssh", "vendor") == ["no-vendor"]
    assert offered(registry, "pxe_ssh", "console") == ["no-console"]


@pytest.mark.parametrize("name", CLASSIC)
def test_inspection_from_within_comes_first(registry, name):
    assert offered(registry, name, "inspect") == [
        "discoverd",
        "inspector",
        "no-inspect",
    ]
    found = registry.types[name].interfaces["inspect"]
    assert isinstance(found["discoverd"], DiscoverdInspect)
    assert found["inspector"] is found["discoverd"]


@pytest.mark.parametrize("name", CLASSIC)
def test_the_rest_is_as_with_ipmi(registry, name):
    own = {"power", "management", "vendor", "inspect", "console"}
    for kind in set(INTERFACES) - own:
        assert (
            registry.types[name].interfaces[kind]
            == registry.types["ipmi"].interfaces[kind]
        ), kind


def test_an_implementation_is_made_once_for_all_of_them(registry):
    for kind, name in [
        ("power", "ipmi"),
        ("power", "ipmitool"),
        ("inspect", "discoverd"),
    ]:
        made = {
            id(registry.types[one].interfaces[kind][name])
            for one in ("ipmi", "pxe_ipmitool", "pxe_ipminative")
        }
        assert len(made) == 1


def test_moving_one_forward_loses_and_repeats_none():
    class A(DiscoverdInspect):
        name = "a"

    class B(DiscoverdInspect):
        name = "b"

    assert beginning_with({"inspect": (A, B)}, B) == {"inspect": (B, A)}
    assert beginning_with({}, B) == {"inspect": (B,)}


def test_fields_of_a_virtual_machine_are_listed(registry):
    found = registry.types["pxe_ssh"].properties()
    assert {"ssh_address", "ssh_vm_name", "ssh_host_key"} <= set(found)
    assert not any(name.startswith("ipmi_") for name in found)


@pytest.mark.parametrize("library", ["paramiko", "lxml"])
def test_without_the_library_the_start_says_what_to_install(
    monkeypatch, library
):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ConfigurationError) as caught:
        SshClient(SETTINGS).start()
    assert "[DEFAULT]enabled_hardware_types: pxe_ssh" in str(caught.value)
    assert "pip install nova-ironic-partition[ssh]" in str(caught.value)
    assert library in str(caught.value)


def test_a_site_without_virtual_machines_needs_no_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "paramiko", None)
    monkeypatch.setitem(sys.modules, "lxml", None)
    settings = dataclasses.replace(
        SETTINGS, enabled_hardware_types=("pxe_ipmitool",)
    )
    found = loader.load(settings)
    assert not any(isinstance(one, SshClient) for one in found.equipment)
