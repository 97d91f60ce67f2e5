# SPDX-License-Identifier: Apache-2.0
"""Readers of the node cache never see it change under them."""

import threading

import pytest

from nova_ironic_partition.node_cache import NodeCache


def test_it_is_the_dictionary_that_nova_expects():
    cache = NodeCache()
    assert not cache
    cache.replace({"a": 1})
    cache["b"] = 2
    assert dict(cache.items()) == {"a": 1, "b": 2}
    assert cache.pop("a", None) == 1
    assert cache.pop("a", None) is None
    assert list(cache) == ["b"]
    assert cache["b"] == 2
    with pytest.raises(KeyError):
        cache["a"]


def test_a_view_that_was_handed_out_does_not_change():
    cache = NodeCache()
    cache.replace({"a": 1, "b": 2})
    values = cache.values()
    keys = cache.keys()
    cache.pop("a")
    cache["c"] = 3
    cache.replace({})
    assert list(values) == [1, 2]
    assert list(keys) == ["a", "b"]


def test_iteration_survives_writers_on_other_threads():
    cache = NodeCache()
    full = {str(number): number for number in range(200)}
    cache.replace(full)
    stop = threading.Event()
    failures = []

    def write():
        try:
            while not stop.is_set():
                cache["extra"] = 1
                cache.pop("extra", None)
                cache.replace(full)
        except Exception as exc:  # a thread's error would be lost
            failures.append(exc)

    writers = [threading.Thread(target=write) for _ in range(3)]
    for writer in writers:
        writer.start()
    for _ in range(300):
        assert len(list(cache.values())) >= 200
    stop.set()
    for writer in writers:
        writer.join(10)
    assert not failures
