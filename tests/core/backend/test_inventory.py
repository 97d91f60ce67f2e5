# SPDX-License-Identifier: Apache-2.0
"""What a ramdisk reports is kept without secrets and as proper JSON."""

from __future__ import annotations

import math

import pytest

from baremetal_backend.core.inventory import MASK, fit
from baremetal_backend.core.records import Inventory

HARDWARE = {
    "interfaces": [{"name": "eth0", "mac_address": "52:54:00:00:00:01"}],
    "memory": {"physical_mb": 65536, "total": 68_000_000_000},
    "bmc_address": "192.0.2.7",
    "boot": {"current_boot_mode": "uefi", "secure": True},
}


def test_what_has_neither_secrets_nor_odd_numbers_stays_as_it_is():
    found = Inventory(HARDWARE, {"extra": [1, 2.5, None, "x", {}, []]})
    assert fit(found) == found


@pytest.mark.parametrize(
    "key",
    ["password", "ipmi_password", "IPMI_PASSWORD", "admin_passwd",
     "passphrase", "client_secret", "secret_key", "auth_token", "token",
     "pass", "ipmi_pass", "bmc-pass", "userPass", "pwd", "PWD", "adminPwd",
     "bmcpassword", "passwords", "private_key", "privateKey", "private-key",
     "api_key", "apiKey", "APIKey", "apikey", "X-Api-Key", "credential",
     "credentials", "bmcCredentials", "token_value", "accessToken", "tokens"],
)  # fmt: skip
def test_a_secret_is_masked_wherever_it_is(key):
    found = Inventory({"bmc": [{key: "calvin"}]}, {key: "calvin"})
    assert fit(found) == Inventory({"bmc": [{key: MASK}]}, {key: MASK})


@pytest.mark.parametrize(
    "harmless",
    [
        {"password": None},
        {"password": ""},
        {"password": []},
        {"credentials": {}},
        {"password_set": True},
        {"password_set": False},
        {"bypass": "on"},
        {"passthrough": "none"},
        {"Compass": "north"},
        {"tokenizer": "none"},
        {"public_key": "ssh-rsa AAAA"},
        {"key": "a"},
        {"secure_boot": "on"},
    ],
    ids=str,
)
def test_what_only_sounds_like_a_secret_is_shown(harmless):
    assert fit(Inventory(harmless, {})).inventory == harmless


@pytest.mark.parametrize(
    "value",
    ["calvin", 1234, 0, 1.5, math.nan, ["calvin"], {"value": "calvin"}],
    ids=str,
)
def test_a_secret_is_masked_whatever_its_type(value):
    found = Inventory({"credentials": value}, {"bmc": {"password": value}})
    assert fit(found) == Inventory(
        {"credentials": MASK}, {"bmc": {"password": MASK}}
    )


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_json_does_not_have_becomes_null(number):
    found = Inventory({"disks": [{"speed": number}]}, {"load": number})
    assert fit(found) == Inventory(
        {"disks": [{"speed": None}]}, {"load": None}
    )


def test_what_was_given_is_not_changed():
    data = {"bmc": {"password": "calvin"}}
    fit(Inventory(data, data))
    assert data == {"bmc": {"password": "calvin"}}
