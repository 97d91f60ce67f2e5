# SPDX-License-Identifier: Apache-2.0
"""What the decorator of vendors' methods takes, and what it leaves."""

from __future__ import annotations

import pytest

from baremetal_backend.drivers.base import VendorInterface, vendor_method


class Parent(VendorInterface):
    name = "parent"

    @vendor_method("POST", is_async=True)
    def shine(self, task, colour, brightness=1):
        """Shine in a colour.

        More of it.
        """

    @vendor_method("GET", exclusive=False)
    def look(self, node):
        """Look at it."""


class Child(Parent):
    name = "child"

    def shine(self, task, colour, brightness=1):
        return 1


def test_a_description_has_name_verbs_and_arguments():
    found = Parent.methods()["shine"]
    assert found.name == "shine"
    assert found.description == "Shine in a colour."
    assert found.http_methods == ("POST",)
    assert found.arguments == {"colour": True, "brightness": False}
    assert (found.is_async, found.exclusive) == (True, True)
    look = Parent.methods()["look"]
    assert (look.is_async, look.exclusive) == (False, False)


def test_a_method_that_overrides_keeps_the_description():
    assert Child.methods() == Parent.methods()


def test_an_interface_without_methods_offers_none():
    assert VendorInterface.methods() == {}


@pytest.mark.parametrize("verbs", [(), ("SHOUT",), ("post",)])
def test_unknown_verbs_are_refused_at_import(verbs):
    with pytest.raises(ValueError, match="name at least one of"):
        vendor_method(*verbs)(lambda self, task: None)


def test_what_goes_on_in_the_background_needs_the_node():
    with pytest.raises(ValueError, match="needs the node"):
        vendor_method("POST", is_async=True, exclusive=False)(
            lambda self, node: None
        )


def test_arguments_need_names():
    with pytest.raises(TypeError, match="no name that clients know"):
        vendor_method("POST")(lambda self, task, *words: None)
