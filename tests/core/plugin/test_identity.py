# SPDX-License-Identifier: Apache-2.0
"""Host names and partition keys."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_ironic_partition.core.identity import HostName, PartitionKey

NAMES = st.from_regex(r"[A-Za-z0-9_.:@-]{1,60}", fullmatch=True)


@given(NAMES)
def test_hosts_compare_without_case_and_keep_their_spelling(name):
    host = HostName.configured(name)
    assert host == HostName(name.upper()) == HostName(name.lower())
    assert len({host, HostName(name.swapcase())}) == 1
    assert str(host) == name


@pytest.mark.parametrize(
    "name", ["", "c1 c2", "c1\n", "c1;c2", "é", "a" * 256]
)
def test_what_no_host_is_called_is_refused(name):
    with pytest.raises(ValueError, match="not a host name"):
        HostName.configured(name)


def test_a_recorded_host_is_taken_as_it_is():
    assert str(HostName("strange host")) == "strange host"


def test_keys_compare_without_case_and_the_empty_key_is_the_default_group():
    assert PartitionKey("Rack-A") == PartitionKey("rack-a")
    assert PartitionKey("") != PartitionKey("a")
    assert str(PartitionKey("")) == "the default conductor group"


@pytest.mark.parametrize("key", ["a b", "a/b", "a\n", "ä", "k" * 256])
def test_a_malformed_key_is_refused(key):
    with pytest.raises(ValueError, match="not a conductor group"):
        PartitionKey(key)
