# SPDX-License-Identifier: Apache-2.0
"""Options become settings, or one line that names option and fix."""

from __future__ import annotations

import pytest

from baremetal_backend import conf
from baremetal_backend.conf import ConfigurationError


def settings(tmp_path, text=""):
    path = tmp_path / "b.conf"
    path.write_text(text)
    return conf.settings(conf.read(["--config-file", str(path)], "1"))


def test_without_options_only_this_machine_is_served(tmp_path):
    found = settings(tmp_path, "[DEFAULT]\nstate_path = /var/x\n")
    assert (found.api.host_ip, found.api.port) == ("127.0.0.1", 6385)
    assert found.api.max_limit == 1000
    assert found.auth_strategy == "noauth"
    assert found.enabled_hardware_types == ("fake-hardware",)
    assert found.conductor.automated_clean is True
    assert found.database.connection == "sqlite:////var/x/baremetal.sqlite"
    assert found.host


def test_options_are_read(tmp_path):
    found = settings(
        tmp_path,
        "[DEFAULT]\nhost = c1\n[api]\nport = 1234\n"
        "[conductor]\nconductor_group = RackA\nautomated_clean = false\n"
        "[fake]\ndeploy_delay = 1,2\npower_delay = 0.5\n"
        "[database]\nconnection = sqlite:////tmp/x.db\n",
    )
    assert found.host == "c1"
    assert found.api.port == 1234
    assert found.conductor.conductor_group == "racka"
    assert found.conductor.automated_clean is False
    assert found.fake.delays["deploy"] == (1.0, 2.0)
    assert found.fake.delays["power"] == (0.5, 0.5)
    assert found.database.connection == "sqlite:////tmp/x.db"


@pytest.mark.parametrize(
    ("text", "option"),
    [
        ("[DEFAULT]\nauth_strategy = keystone\n", "auth_strategy"),
        ("[DEFAULT]\nenabled_hardware_types = \n", "enabled_hardware_types"),
        ("[DEFAULT]\nhost = \n", "host"),
        ("[api]\nhost_ip = 0.0.0.0\n", "host_ip"),
        ("[api]\nhost_ip = ::\n", "host_ip"),
        ("[api]\nhost_ip = 192.0.2.1\n", "host_ip"),
        ("[api]\nport = 99999\n", "port"),
        ("[api]\nport = http\n", "port"),
        ("[api]\npublic_endpoint = ftp://x\n", "public_endpoint"),
        ("[api]\nmax_limit = 0\n", "max_limit"),
        ("[conductor]\nworkers_pool_size = 1\n", "workers_pool_size"),
        ("[conductor]\nautomated_clean = perhaps\n", "automated_clean"),
        ("[fake]\ndeploy_delay = soon\n", "deploy_delay"),
    ],
)
def test_a_bad_option_is_named_in_one_line(tmp_path, text, option):
    with pytest.raises(ConfigurationError, match=option) as caught:
        settings(tmp_path, text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.9", "::1"])
def test_loopback_needs_no_permission(tmp_path, address):
    found = settings(tmp_path, f"[api]\nhost_ip = {address}\n")
    assert found.api.host_ip == address


def test_other_machines_are_let_in_only_when_told(tmp_path):
    text = "[api]\nhost_ip = 0.0.0.0\nallow_noauth_beyond_loopback = true\n"
    assert settings(tmp_path, text).api.host_ip == "0.0.0.0"


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match="nowhere"):
        conf.read(["--config-file", "/nowhere/b.conf"], "1")


def test_each_reading_has_options_of_its_own(tmp_path):
    one = settings(tmp_path, "[api]\nport = 1\n")
    two = settings(tmp_path, "[api]\nport = 2\n")
    assert (one.api.port, two.api.port) == (1, 2)


def test_every_option_is_listed_for_the_sample_file():
    groups = dict(conf.list_opts())
    assert {"DEFAULT", "api", "conductor", "fake", "database"} <= groups.keys()
    for options in groups.values():
        assert all(option.help for option in options)


def test_priorities_of_steps_may_come_in_several_lines(tmp_path):
    found = settings(
        tmp_path,
        "[conductor]\n"
        "clean_step_priority_override = deploy.erase_devices:0\n"
        "clean_step_priority_override = raid.x:5,bios.y:7\n"
        "deploy_step_priority_override = deploy.deploy:80\n",
    )
    assert found.conductor.clean_step_priorities == {
        "deploy.erase_devices": 0,
        "raid.x": 5,
        "bios.y": 7,
    }
    assert found.conductor.deploy_step_priorities == {"deploy.deploy": 80}
    assert found.conductor.verify_step_priorities == {}


@pytest.mark.parametrize(
    "value", ["erase_devices:0", "a.b.c:1", "a.b:-1", "a.b:much", "a.b:1.5"]
)
def test_a_priority_that_means_nothing_is_refused(tmp_path, value):
    with pytest.raises(ConfigurationError) as caught:
        settings(
            tmp_path, f"[conductor]\nclean_step_priority_override = {value}\n"
        )
    assert "clean_step_priority_override" in str(caught.value)


def test_interfaces_are_enabled_and_chosen_by_type(tmp_path):
    found = settings(
        tmp_path,
        "[DEFAULT]\nenabled_console_interfaces = no-console,fake\n"
        "default_console_interface = no-console\n",
    )
    assert found.enabled_interfaces == {"console": ("no-console", "fake")}
    assert found.default_interfaces == {"console": "no-console"}


def test_every_option_is_known_by_its_name(tmp_path):
    found = settings(
        tmp_path,
        "[DEFAULT]\nhost = c1\n[conductor]\nclean_callback_timeout = 5\n",
    )
    assert found.option("conductor.clean_callback_timeout") == 5
    assert found.option("conductor.deploy_callback_timeout") == 1800
    assert found.option("DEFAULT.host") == "c1"
    with pytest.raises(KeyError):
        found.option("conductor.colour")


def test_options_do_not_show_in_a_log_line(tmp_path):
    secret = "mysql://u:hunter2@h/db"
    found = settings(tmp_path, f"[database]\nconnection = {secret}\n")
    assert found.option("database.connection") == secret
    assert "options" not in repr(found)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [("", None, 9385), ("host_ip = 127.0.0.1\nport = 0\n", "127.0.0.1", 0)],
)
def test_figures_are_shown_only_where_it_is_asked_for(
    tmp_path, text, host, port
):
    found = settings(tmp_path, f"[metrics]\n{text}")
    assert (found.metrics.host_ip, found.metrics.port) == (host, port)
