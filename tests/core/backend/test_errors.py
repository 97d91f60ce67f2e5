# SPDX-License-Identifier: Apache-2.0
"""Errors carry what an HTTP answer needs."""

from __future__ import annotations

import pytest

from baremetal_backend.core import errors

ALL = [
    found
    for found in vars(errors).values()
    if isinstance(found, type) and issubclass(found, errors.BackendError)
]


@pytest.mark.parametrize("error", ALL)
def test_every_error_stands_in_the_tree_of_the_module(error):
    assert error.__name__ in (errors.__doc__ or "")
    assert error.status in (400, 403, 404, 409, 500, 503)


@pytest.mark.parametrize(
    ("error", "faultcode"),
    [
        (errors.NodeNotFound("n"), "Client"),
        (errors.NoFreeWorker(1.0), "Server"),
    ],
)
def test_the_faultcode_says_whose_turn_it_is(error, faultcode):
    assert error.faultcode == faultcode


def test_texts_that_clients_know_stay_as_they_are():
    invalid = errors.InvalidStateRequested("deleted", "u", "enroll")
    assert invalid.message == (
        'The requested action "deleted" can not be performed on node "u" '
        'while it is in state "enroll".'
    )
    assert "is locked by host h" in errors.NodeLocked("u", "h").message
    taken = errors.AlreadyExists("node", "name", "x").message
    assert taken == "A node with name x already exists."


def test_an_invalid_verb_names_the_possible_ones():
    error = errors.InvalidStateRequested("x", "u", "s", ("b", "a"))
    assert error.message.endswith("Possible in this state: a, b.")
