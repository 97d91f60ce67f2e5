# SPDX-License-Identifier: Apache-2.0
"""Which version a request gets, and that the table of versions is whole."""

import pytest

from baremetal_backend.api import microversions
from baremetal_backend.api.faults import NotAcceptable
from baremetal_backend.api.node_fields import FIELDS
from baremetal_backend.api.node_filters import SINCE
from baremetal_backend.api.routes import ROUTES


@pytest.mark.parametrize(
    ("standard", "own", "minor"),
    [
        (None, None, 1),
        ("", "", 1),
        (None, "1.46", 46),
        (None, "latest", microversions.MAXIMUM),
        (None, "LATEST", microversions.MAXIMUM),
        ("baremetal 1.82", None, 82),
        ("compute 2.1, baremetal 1.49", "1.5", 49),
        ("compute 2.1", "1.5", 5),
        ("compute 2.1", None, 1),
        ("BareMetal latest", None, microversions.MAXIMUM),
        (None, " 1.46 ", 46),
    ],
)
def test_a_request_names_its_version(standard, own, minor):
    assert microversions.requested(standard, own) == minor


@pytest.mark.parametrize(
    "own",
    ["1", "1.", ".1", "1.x", "one", "1.0", "0.1", "2.1", "1.96", "1.9999",
     "1.99999999", "-1.1", "1.046", "1.46.1", "1.٤٦", "1.46\n1.1", "\x00"],
)  # fmt: skip
def test_a_version_that_is_malformed_or_unknown_is_not_acceptable(own):
    with pytest.raises(NotAcceptable):
        microversions.requested(None, own)


def test_a_standard_header_without_a_version_is_not_acceptable():
    with pytest.raises(NotAcceptable):
        microversions.requested("baremetal", None)


def test_every_version_up_to_the_maximum_has_its_line():
    assert list(microversions.VERSIONS) == list(
        range(microversions.MINIMUM, microversions.MAXIMUM + 1)
    )
    assert all(microversions.VERSIONS.values())


def test_nova_gets_the_versions_that_it_needs():
    # conductor_group and shard
    assert microversions.MAXIMUM >= 82


def test_nothing_in_the_tables_is_newer_than_the_maximum():
    newest = max(
        *(field.since for field in FIELDS.table),
        *SINCE.values(),
        *(route.since for route in ROUTES.values()),
    )
    assert newest <= microversions.MAXIMUM


@pytest.mark.parametrize(
    ("field", "since"),
    [
        ("name", 5),
        ("resource_class", 21),
        ("traits", 37),
        ("fault", 42),
        ("conductor_group", 46),
        ("conductor", 49),
        ("owner", 50),
        ("retired", 61),
        ("lessee", 65),
        ("boot_mode", 75),
        ("shard", 82),
        ("parent_node", 83),
        ("disable_power_off", 95),
    ],
)
def test_a_field_is_shown_from_its_version_on(field, since):
    assert field not in FIELDS.visible(since - 1)
    assert field in FIELDS.visible(since)


def test_the_oldest_version_shows_the_fields_of_the_first_release():
    assert set(FIELDS.visible(1)) == {
        "uuid", "created_at", "updated_at", "console_enabled", "driver",
        "driver_info", "extra", "instance_info", "instance_uuid",
        "last_error", "maintenance", "maintenance_reason", "power_state",
        "properties", "provision_state", "provision_updated_at",
        "reservation", "target_power_state", "target_provision_state",
        "chassis_uuid",
    }  # fmt: skip
