# SPDX-License-Identifier: Apache-2.0
"""Which JSON is taken, and which is refused."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from baremetal_backend.api import strict_json
from baremetal_backend.api.faults import BadField


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{", b"{bad", b"[1,]", b"{'a': 1}", b'{"a": 1} x', b"\xff\xfe",
        b'"\xed\xa0\x80"', b'{"a": NaN}', b"[Infinity]", b"[-Infinity]",
        b"[1e999]", b'{"a": 1, "a": 2}', b'{"x": {"a": 1, "a": 1}}',
        b'["\\ud800"]', b'{"\\udfff": 1}', b'["a\\u0000b"]',
        b'{"\\u0000": 1}', b"[" * 50 + b"]" * 50, b"[" * 100000,
        b'{"a":' * 5000 + b"1" + b"}" * 5000, b"[" + b"9" * 50 + b"]",
        b"[" + b"9" * 5000 + b"]",
    ],
)  # fmt: skip
def test_what_is_not_strict_json_is_refused(data):
    with pytest.raises(BadField) as refused:
        strict_json.parse(data)
    assert refused.value.status == 400
    assert len(refused.value.message) < 300


_TEXT = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0")
)
_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**15), 10**15)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(_TEXT, inner),
    max_leaves=8,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_VALUES)
def test_ordinary_json_is_taken_as_it_is(value):
    assert strict_json.parse(json.dumps(value).encode()) == value


@settings(deadline=None)
@given(st.binary(max_size=100))
def test_any_bytes_are_parsed_or_refused(data):
    try:
        strict_json.parse(data)
    except BadField as refused:
        assert refused.status == 400
