# SPDX-License-Identifier: Apache-2.0
"""Options become settings, or an error that names option and fix."""

import pytest
from oslo_config import cfg

from nova_ironic_partition import conf as options
from nova_ironic_partition.core.identity import HostName, PartitionKey


def settings(**values):
    return options.settings(
        **{
            "host": "c1",
            "partition_key": "rack-a",
            "conductor_group": None,
            "shard": None,
            "peer_list": ["c1", "c2"],
            **values,
        }
    )


def test_the_key_and_its_peers():
    found = settings(peer_list=["C2", "c1"], partition_key="Rack-A")
    assert found.scope.key == PartitionKey("rack-a")
    assert found.peers == (HostName("c1"), HostName("c2"))


def test_conductor_group_alone_is_the_key():
    found = settings(partition_key=None, conductor_group="rack-b")
    assert found.scope.key == PartitionKey("rack-b")


def test_both_names_of_the_key_may_agree_in_any_case():
    assert settings(conductor_group="RACK-A").scope.key.value == "rack-a"


def test_the_empty_key_is_the_default_group():
    assert settings(partition_key="").scope.key == PartitionKey("")


def test_without_a_key_all_ironic_services_are_peers():
    found = settings(partition_key=None, peer_list=["ignored"])
    assert (found.scope.key, found.peers) == (None, None)


def test_a_shard_has_one_service_whatever_the_list_says():
    found = settings(shard="s1", peer_list=["c2"])
    assert (found.scope.shard, found.peers) == ("s1", (HostName("c1"),))


def test_a_stray_comma_names_nobody():
    assert settings(peer_list=["c1", ""]).peers == (HostName("c1"),)


@pytest.mark.parametrize(
    ("values", "option", "words"),
    [
        ({"peer_list": []}, "[ironic]peer_list", "is empty"),
        ({"peer_list": ["", ""]}, "[ironic]peer_list", "names nobody"),
        ({"peer_list": ["c2", "c3"]}, "[ironic]peer_list", "own host c1"),
        ({"peer_list": ["c1 c2"]}, "[ironic]peer_list", "commas"),
        ({"partition_key": "a b"}, "[ironic]partition_key", "'a b'"),
        (
            {"partition_key": None, "conductor_group": "ä"},
            "[ironic]conductor_group",
            "'ä'",
        ),
        (
            {"conductor_group": "rack-b"},
            "[ironic]partition_key",
            "contradicts [ironic]conductor_group",
        ),
        ({"host": "c 1"}, "[DEFAULT]host", "'c 1'"),
    ],
)
def test_a_mistake_names_its_option_and_the_fix(values, option, words):
    with pytest.raises(options.ConfigurationError) as caught:
        settings(**values)
    assert caught.value.option == option
    assert words in caught.value.problem
    assert caught.value.fix in str(caught.value)


@pytest.fixture
def conf_of(tmp_path):
    """Parse a file with our options beside nova's of the same names."""

    def parse(text):
        path = tmp_path / "nova.conf"
        path.write_text(text)
        conf = cfg.ConfigOpts()
        novas = [
            cfg.StrOpt(
                "conductor_group",
                deprecated_name="partition_key",
                mutable=True,
            ),
            cfg.StrOpt("shard"),
            cfg.ListOpt("peer_list", default=[], deprecated_for_removal=True),
        ]
        conf.register_opts(novas, group="ironic")
        conf.register_opt(cfg.IntOpt("service_down_time", default=60))
        options.register_opts(conf, novas)
        conf(["--config-file", str(path)], project="nova")
        return conf

    return parse


def test_the_options_live_beside_those_that_nova_registers(conf_of):
    conf = conf_of("[ironic]\npartition_key = a\npeer_list = c1, c2\n")
    found = options.load(conf, "c1")
    assert found.scope.key == PartitionKey("a")
    assert found.peers == (HostName("c1"), HostName("c2"))
    assert conf.ironic.conductor_group is None


def test_a_peer_is_down_when_nova_says_so(conf_of):
    conf = conf_of(
        "[DEFAULT]\nservice_down_time = 25\n"
        "[ironic]\npartition_key = a\npeer_list = c1\n"
    )
    assert options.load(conf, "c1").down_time == 25


def test_novas_name_of_the_key_is_read(conf_of):
    conf = conf_of("[ironic]\nconductor_group = a\npeer_list = c1\n")
    assert options.load(conf, "c1").scope.key == PartitionKey("a")


def test_a_reload_warns_of_nothing(conf_of, tmp_path, caplog):
    conf = conf_of("[ironic]\npartition_key = a\npeer_list = c1\n")
    (tmp_path / "nova.conf").write_text(
        "[ironic]\npartition_key = b\npeer_list = c1,c2\n"
    )
    conf.mutate_config_files()
    options.load(conf, "c1")
    assert not [r for r in caplog.records if r.levelname == "WARNING"]


def test_a_changed_file_is_seen_after_a_mutation(conf_of, tmp_path):
    conf = conf_of("[ironic]\npartition_key = a\npeer_list = c1\n")
    (tmp_path / "nova.conf").write_text(
        "[ironic]\npartition_key = b\npeer_list = c1,c2\n"
        "[ironic_partition]\nring_points = 32\n"
        "membership_settle_time = 5\nshrink_guard_percent = 70\n"
    )
    conf.mutate_config_files()
    found = options.load(conf, "c1")
    assert found.scope.key == PartitionKey("b")
    assert found.peers == (HostName("c1"), HostName("c2"))
    assert (found.points, found.settle_time, found.shrink_percent) == (
        32,
        5.0,
        70,
    )


@pytest.mark.parametrize(
    "line", ["ring_points = many", "membership_settle_time = -1"]
)
def test_a_value_of_the_wrong_type_is_a_configuration_error(conf_of, line):
    conf = conf_of(
        "[ironic]\npartition_key = a\npeer_list = c1\n"
        f"[ironic_partition]\n{line}\n"
    )
    with pytest.raises(options.ConfigurationError) as caught:
        options.load(conf, "c1")
    assert line.split()[0] in str(caught.value)
