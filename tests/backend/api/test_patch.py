# SPDX-License-Identifier: Apache-2.0
"""What a JSON patch means, without a server."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baremetal_backend.api import patch
from baremetal_backend.api.faults import BadField, NotAcceptable
from baremetal_backend.api.microversions import MAXIMUM
from baremetal_backend.api.node_fields import FIELDS
from baremetal_backend.api.nodes import document
from baremetal_backend.api.schemas import Checker
from baremetal_backend.core.errors import BackendError, Conflict
from baremetal_backend.core.records import Node

CHECKER = Checker(FIELDS.patched_schema)
SHAPE = Checker(patch.SCHEMA)
NODE = Node(
    uuid="11111111-1111-4111-8111-111111111111",
    driver="fake-hardware",
    name="one",
    extra={"a": 1, "list": [1, 2], "text": "x"},
    resource_class="rc",
)


def applied(*operations, version=MAXIMUM, node=NODE):
    SHAPE.check(list(operations))
    patch.touched(operations, FIELDS, version)
    return patch.patched(document(node), operations, FIELDS, CHECKER)


def op(name, path, *value):
    return {"op": name, "path": path} | ({"value": value[0]} if value else {})


@pytest.mark.parametrize(
    ("operations", "changes"),
    [
        ([], {}),
        ([op("add", "/name", "two")], {"name": "two"}),
        ([op("replace", "/name", "one")], {}),
        ([op("remove", "/name")], {"name": None}),
        ([op("add", "/extra/b", 2)],
         {"extra": {"a": 1, "b": 2, "list": [1, 2], "text": "x"}}),
        ([op("remove", "/extra/a"), op("remove", "/extra/list"),
          op("remove", "/extra/text")], {"extra": {}}),
        ([op("remove", "/extra")], {"extra": {}}),
        ([op("add", "/extra", None)], {"extra": {}}),
        ([op("remove", "/conductor_group")], {}),
        ([op("add", "/conductor_group", "RACK1")],
         {"conductor_group": "rack1"}),
        ([op("add", "/extra/list/-", 3)],
         {"extra": {"a": 1, "list": [1, 2, 3], "text": "x"}}),
        ([op("test", "/extra/a", 1), op("replace", "/extra/a", 2)],
         {"extra": {"a": 2, "list": [1, 2], "text": "x"}}),
        ([op("test", "/name", "one")], {}),
        ([op("add", "/maintenance", "true")], {"maintenance": True}),
        ([op("add", "/maintenance", None)], {}),
        ([op("replace", "/instance_uuid",
             "ABCDEF01-1111-4111-8111-111111111111")],
         {"instance_uuid": "abcdef01-1111-4111-8111-111111111111"}),
        ([op("add", "/automated_clean", None)], {}),
        ([op("add", "/automated_clean", False)], {"automated_clean": False}),
        ([op("replace", "/extra/a", True)],
         {"extra": {"a": True, "list": [1, 2], "text": "x"}}),
    ],
)  # fmt: skip
def test_operations_become_whole_new_values(operations, changes):
    assert applied(*operations) == changes


@pytest.mark.parametrize(
    "operation",
    [
        op("add", "/uuid", "x"),
        op("add", "/power_state", "power on"),
        op("add", "/provision_state", "active"),
        op("add", "/reservation", None),
        op("add", "/traits", []),
        op("add", "/links", []),
        op("add", "/nonsense", 1),
        op("add", "extra", {}),
        op("add", "", {}),
        op("add", "/", {}),
        op("add", "/extra/", 1),
        op("add", "/extra/a b", 1),
        op("add", "/extra/~0", 1),
        op("add", "/extra/a\n", 1),
        op("add", "/extra"),
        op("replace", "/extra/missing", 1),
        op("remove", "/extra/missing"),
        op("remove", "/driver"),
        op("add", "/driver", None),
        op("add", "/driver", ""),
        op("add", "/driver/x", 1),
        op("add", "/name/x", 1),
        op("add", "/extra/text/x", 1),
        op("add", "/extra/list/x", 1),
        op("add", "/extra/list/99", 1),
        op("remove", "/extra/list/-"),
        op("add", "/extra", []),
        op("add", "/extra", "x"),
        op("add", "/name", 3),
        op("add", "/name", "a b"),
        op("add", "/name", "a\n"),
        op("add", "/name", "ä"),
        op("add", "/name", ""),
        op("add", "/name", "detail"),
        op("add", "/name", "11111111-1111-4111-8111-111111111111"),
        op("add", "/maintenance", "maybe"),
        op("add", "/instance_uuid", "x"),
        op("add", "/resource_class", "x" * 81),
        op("add", "/owner", "a\x00b"),
        op("add", "/conductor_group", "a b"),
    ],
)
def test_what_makes_no_sense_is_refused_and_named(operation):
    with pytest.raises(BadField) as refused:
        applied(operation)
    assert refused.value.status == 400
    assert refused.value.where


@pytest.mark.parametrize(
    "shape",
    [{}, [1], [{}], [{"op": "add"}], [{"path": "/a"}],
     [op("move", "/extra/a")], [op("copy", "/extra/a")],
     [op("add", "/extra/a", 1) | {"from": "/x"}], [op(3, "/extra")],
     [op("add", 3, 1)], [op("test", "/extra/a", 1)] * 501],
)  # fmt: skip
def test_a_patch_of_another_shape_is_refused(shape):
    with pytest.raises(BadField):
        SHAPE.check(shape)


@pytest.mark.parametrize(
    "path", ["/extra/a", "/name", "/extra/missing/deeper"]
)
def test_a_failed_test_is_a_conflict(path):
    with pytest.raises(Conflict):
        applied(op("test", path, 2), op("add", "/name", "two"))


def test_a_field_of_a_later_version_is_not_acceptable():
    with pytest.raises(NotAcceptable):
        applied(op("add", "/shard", "s"), version=81)
    assert applied(op("add", "/shard", "s"), version=82) == {"shard": "s"}


def test_operations_together_cannot_nest_deeper_than_one_could():
    path, operations = "/extra", []
    for _ in range(60):
        path += "/a"
        operations.append(op("add", path, {}))
    with pytest.raises(BadField, match="deeply"):
        applied(*operations)


def test_the_record_that_was_read_is_never_changed():
    before = repr(NODE)
    applied(op("add", "/extra/list/-", 3), op("remove", "/extra/a"))
    assert repr(NODE) == before


_PATHS = st.sampled_from(
    ["/extra", "/extra/a", "/extra/list", "/extra/list/0", "/extra/list/-",
     "/extra/text/b", "/name", "/driver", "/owner", "/properties/x/y",
     "/maintenance", "/instance_uuid", "/zork", "//", "/extra/0"]
)  # fmt: skip
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)
_OPERATIONS = st.lists(
    st.fixed_dictionaries(
        {
            "op": st.sampled_from(["add", "replace", "remove", "test"]),
            "path": _PATHS,
        },
        optional={"value": _JSON},
    ),
    max_size=6,
)


@settings(deadline=None)
@given(_OPERATIONS)
def test_any_patch_either_fits_the_schema_or_is_refused(operations):
    try:
        changes = applied(*operations)
    except BackendError as refused:
        assert 400 <= refused.status < 500
    else:
        assert set(changes) <= set(FIELDS.patchable)
        CHECKER.check({"driver": "x", **changes})
