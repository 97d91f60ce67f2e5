# SPDX-License-Identifier: Apache-2.0
"""Configuration files say what was meant, as oslo.config reads them."""

import stat
from pathlib import Path

from oslo_config import cfg

from lab import conf_files


def read(path: Path) -> cfg.ConfigOpts:
    conf = cfg.ConfigOpts()
    conf.register_opts(
        [
            cfg.ListOpt("peer_list"),
            cfg.StrOpt("key"),
            cfg.BoolOpt("on"),
            cfg.StrOpt("absent", default="untouched"),
            cfg.StrOpt("password"),
        ],
        group="ironic",
    )
    conf([], default_config_files=[str(path)])
    return conf


def test_oslo_config_reads_back_what_was_written(tmp_path: Path) -> None:
    path = conf_files.write(
        tmp_path / "sub" / "c1.conf",
        {
            "ironic": {
                "peer_list": ("c1", "c2"),
                "key": "",
                "on": True,
                "absent": None,
                "password": "a$b",
            }
        },
    )
    group = read(path).ironic
    assert group.peer_list == ["c1", "c2"]
    assert group.key == ""
    assert group.on is True
    assert group.absent == "untouched"
    assert group.password == "a$b"


def test_nobody_else_can_read_a_file(tmp_path: Path) -> None:
    path = conf_files.write(tmp_path / "x.conf", {"a": {"b": 1}})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_last_layer_wins_option_by_option() -> None:
    lower = {"ironic": {"key": "rack-a", "on": True}}
    upper = {"ironic": {"key": "rack-b"}, "api": {"port": 1}}
    assert conf_files.merge(lower, upper) == {
        "ironic": {"key": "rack-b", "on": True},
        "api": {"port": 1},
    }
    assert lower == {"ironic": {"key": "rack-a", "on": True}}
