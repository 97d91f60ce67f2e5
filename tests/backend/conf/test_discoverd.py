# SPDX-License-Identifier: Apache-2.0
"""``[discoverd]service_url`` is an address, and never shows a password."""

from __future__ import annotations

import pytest

from baremetal_backend import conf
from baremetal_backend.conf import ConfigurationError


def service_url(tmp_path, url):
    path = tmp_path / "b.conf"
    path.write_text(f"[discoverd]\nservice_url = {url}\n")
    found = conf.settings(conf.read(["--config-file", str(path)], "1"))
    return found.discoverd.service_url


@pytest.mark.parametrize(
    "url",
    [
        "http://192.0.2.10:5050/v1",
        "HTTPS://inspector.example",
        "http://h:5050/inspector/",
        "http://[2001:db8::1]:5050/v1",
    ],
)
def test_an_address_is_taken_as_it_is(tmp_path, url):
    assert service_url(tmp_path, url) == url


@pytest.mark.parametrize(
    "url",
    [
        "inspector:5050",
        "htp://h/",
        "http://",
        "http://:5050/v1",
        "http://h:99999/v1",
        "http://h:0/v1",
        "http://h:abc/v1",
        "http://[::1",
        "http://h/v1?x=1",
        "http://h/v1?",
        "http://h/v1#top",
    ],
)
def test_what_is_no_address_is_refused_with_the_options_name(tmp_path, url):
    with pytest.raises(
        ConfigurationError, match=r"\[discoverd\]service_url: "
    ) as caught:
        service_url(tmp_path, url)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://user:SECRET@h:5050/v1",
        "http://SECRET@h",
        "htp://u:SECRET@h/",
        "http:/u:SECRET@h/",
        "u:SECRET@h",
        "http://u:SECRET@[::1",
        "http://u:SECRET@h:99999/v1",
    ],
)
def test_a_password_is_refused_and_not_shown(tmp_path, url):
    with pytest.raises(ConfigurationError, match="http_basic") as caught:
        service_url(tmp_path, url)
    assert "[discoverd]service_url: " in str(caught.value)
    assert "SECRET" not in str(caught.value)


def test_a_token_in_a_query_is_not_shown(tmp_path):
    with pytest.raises(ConfigurationError, match="query") as caught:
        service_url(tmp_path, "htp://h/v1?token=SECRET")
    assert "SECRET" not in str(caught.value)
