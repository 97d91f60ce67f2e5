# SPDX-License-Identifier: Apache-2.0
"""Forms of single values."""

import pytest

from baremetal_backend.api import links, wellformed
from baremetal_backend.api.faults import BadField

UUID = "ABCDEF01-2345-4678-9abc-def012345678"


def test_a_uuid_is_kept_in_lower_case():
    assert wellformed.uuid(UUID, "x") == UUID.lower()
    assert wellformed.ident(UUID, "x") == UUID.lower()


@pytest.mark.parametrize(
    "text",
    ["", "a", UUID[:-1], UUID + "0", UUID.replace("-", ""), UUID + "\n",
     UUID.replace("A", "G"), UUID.replace("0", "\u0660")],
)  # fmt: skip
def test_what_is_no_uuid_is_refused(text):
    with pytest.raises(BadField, match="place"):
        wellformed.uuid(text, "place")


@pytest.mark.parametrize(
    "name", ["a", "A-1._~", "x" * 255, "1", "-", "n.json"]
)
def test_unreserved_characters_make_a_name(name):
    assert wellformed.ident(name, "node") == name


@pytest.mark.parametrize(
    "name",
    ["", "a b", "a/b", "a\n", "\n", "a\x00", "ä", "a%20b", "x" * 256, "a'--",
     "{{7*7}}", "../etc", "a?b", "a;b", "\u202e"],
)  # fmt: skip
def test_other_characters_do_not(name):
    with pytest.raises(BadField):
        wellformed.ident(name, "node")


@pytest.mark.parametrize(
    "text", ["a\x00", "a\nb", "a\n", "\x7f", "\x85", "\u2028"]
)
def test_a_line_has_no_control_characters(text):
    with pytest.raises(BadField):
        wellformed.line(text, "owner")


def test_a_line_may_be_in_any_language():
    assert wellformed.line("Bär 東京 #1", "owner") == "Bär 東京 #1"


@pytest.mark.parametrize("word", [True, "1", "True", "on", "YES", " y "])
def test_words_that_mean_yes(word):
    assert wellformed.boolean(word, "x") is True


@pytest.mark.parametrize("word", [False, "0", "False", "off", "no", "F"])
def test_words_that_mean_no(word):
    assert wellformed.boolean(word, "x") is False


@pytest.mark.parametrize("word", ["", "maybe", "2", "truee"])
def test_other_words_mean_nothing(word):
    with pytest.raises(BadField, match="flag"):
        wellformed.boolean(word, "flag")


@pytest.mark.parametrize(
    "text", ["", "x", "1.0", "0x1", "1" * 30, "٣", "1\n", "0", "11"]
)
def test_a_number_outside_its_bounds_is_refused(text):
    with pytest.raises(BadField, match="limit"):
        wellformed.integer(text, "limit", 1, 10)


def test_a_mac_address_is_kept_in_lower_case():
    assert wellformed.mac("52:54:00:AA:BB:01", "x") == "52:54:00:aa:bb:01"
    with pytest.raises(BadField):
        wellformed.mac("52:54:00:AA:BB", "x")


def test_a_message_repeats_a_value_short_and_escaped():
    assert len(wellformed.shown("x" * 10000)) == 80
    assert "\n" not in wellformed.shown("a\nb")


@pytest.mark.parametrize(
    ("host", "base"),
    [
        ("api.example:6385", "http://api.example:6385"),
        ("[::1]:6385", "http://[::1]:6385"),
        (None, "http://10.0.0.1:80"),
        ('evil"><script>', "http://10.0.0.1:80"),
        ("a b", "http://10.0.0.1:80"),
        ("a\r\nX: y", "http://10.0.0.1:80"),
        ("user@host", "http://10.0.0.1:80"),
        ("a/b", "http://10.0.0.1:80"),
    ],
)
def test_links_begin_with_the_host_that_was_asked_if_it_is_one(host, base):
    assert links.base_url(None, "http", host, "10.0.0.1:80") == base


def test_a_public_endpoint_wins_over_the_host_header():
    url = links.base_url("https://bm.example/", "http", "evil", "x:1")
    assert url == "https://bm.example"
