# SPDX-License-Identifier: Apache-2.0
"""SIGHUP in a process that runs on oslo.service's native threads."""

import signal
import subprocess
import sys
import textwrap
import threading

import pytest
from oslo_config import cfg

from nova_ironic_partition.reload import reload_configuration


@pytest.fixture
def conf(tmp_path):
    path = tmp_path / "s.conf"
    path.write_text("[DEFAULT]\nword = one\n")
    conf = cfg.ConfigOpts()
    conf.register_opt(cfg.StrOpt("word", mutable=True))
    conf(["--config-file", str(path)], project="s")
    conf.path = path
    return conf


def test_a_reload_runs_the_hooks_and_then_the_reset(conf):
    events = []
    conf.register_mutate_hook(lambda c, fresh: events.append(c.word))
    conf.path.write_text("[DEFAULT]\nword = two\n")
    assert reload_configuration(conf, lambda: events.append("reset"))
    assert events == ["two", "reset"]


@pytest.mark.parametrize("damage", ["gone", "syntax", "directory"])
def test_a_file_that_cannot_be_read_changes_nothing(conf, damage, caplog):
    events = []
    conf.register_mutate_hook(lambda c, fresh: events.append("hook"))
    conf.path.unlink()
    if damage == "syntax":
        conf.path.write_text("[DEFAULT\nword = two\n")
    elif damage == "directory":
        conf.path.mkdir()
    assert not reload_configuration(conf, lambda: events.append("reset"))
    assert conf.word == "one"
    assert not events
    errors = [r for r in caplog.records if r.levelname == "ERROR"]
    assert len(errors) == 1
    assert "everything stays in force" in errors[0].message
    assert str(conf.path) in errors[0].message


def test_a_reset_that_fails_is_logged_and_survived(conf, caplog):
    def reset():
        raise RuntimeError("broken reset")

    assert reload_configuration(conf, reset)
    assert "broken reset" in caplog.text


SERVICE = textwrap.dedent(
    """
    import sys, threading
    from oslo_service import backend
    backend.init_backend(backend.BackendType.THREADING)
    from oslo_config import cfg
    from oslo_service import service
    from nova_ironic_partition.reload import serve_sighup

    CONF = cfg.CONF
    CONF.register_opt(cfg.StrOpt("word", mutable=True))

    class Service(service.Service):
        def start(self):
            CONF.register_mutate_hook(
                lambda conf, fresh: print("word", conf.word, flush=True))
            serve_sighup(CONF, lambda: print("reset", flush=True))
            self.done = threading.Event()
            print("ready", flush=True)

        def wait(self):
            while not self.done.wait(0.1):
                pass

        def stop(self):
            print("graceful", flush=True)
            self.done.set()

    CONF(sys.argv[1:], project="s")
    launcher = service.launch(
        CONF, Service(), workers=1, restart_method="mutate", no_fork=True)
    launcher.wait()
    """
)


class Running:
    """A process whose lines are awaited with a deadline."""

    def __init__(self, path):
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVICE, "--config-file", str(path)],
            stdout=subprocess.PIPE,
            text=True,
        )
        self.deadline = threading.Timer(60, self.process.kill)
        self.deadline.start()

    def line(self):
        return self.process.stdout.readline().strip()

    def send(self, signum):
        self.process.send_signal(signum)

    def close(self):
        self.deadline.cancel()
        self.process.kill()
        self.process.wait(10)
        self.process.stdout.close()


@pytest.fixture
def running(tmp_path):
    path = tmp_path / "s.conf"
    path.write_text("[DEFAULT]\nword = one\n")
    service = Running(path)
    service.path = path
    yield service
    service.close()


def test_sighup_reloads_as_often_as_asked_and_sigterm_stays_graceful(running):
    assert running.line() == "ready"
    for word in ("two", "three", "four"):
        running.path.write_text(f"[DEFAULT]\nword = {word}\n")
        running.send(signal.SIGHUP)
        assert running.line() == f"word {word}"
        assert running.line() == "reset"
    running.send(signal.SIGTERM)
    assert running.line() == "graceful"
    assert running.process.wait(30) == 0
