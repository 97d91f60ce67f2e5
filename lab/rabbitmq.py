# SPDX-License-Identifier: Apache-2.0
"""A private RabbitMQ from the distribution's package.

Runs as the user who starts it, in its own directory and on its own ports,
with its own Erlang port mapper; /var/lib and /etc are not touched.
"""

from __future__ import annotations

import secrets
import socket
from pathlib import Path

from lab.ports import LOOPBACK, accepts, free_port
from lab.processes import Crew

DEBIAN_PACKAGE = "rabbitmq-server"

_SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
_USER = "lab"

# Schedulers that spin while idle cost a third of a core on small machines.
_ERLANG = (
    "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none "
    "-kernel inet_dist_use_interface {127,0,0,1}"
)


def is_installed() -> bool:
    """Whether the package's files are there."""
    return _SERVER.exists()


class RabbitMQ:
    """The message broker of a lab."""

    def __init__(self, crew: Crew) -> None:
        self.port = free_port()
        self._password = secrets.token_hex(12)
        self._directory = crew.state_dir / "rabbitmq"
        mapper_port = free_port()
        env = self._environment(mapper_port)
        self._mapper = crew.process(
            "epmd",
            ["epmd", "-port", str(mapper_port), "-address", LOOPBACK],
            ready=lambda: accepts(mapper_port),
            env=env,
        )
        self.process = crew.process(
            "rabbitmq",
            [str(_SERVER), "-noinput"],
            ready=self._greets,
            env=env,
        )

    @property
    def url(self) -> str:
        """The transport URL for oslo.messaging."""
        return f"rabbit://{_USER}:{self._password}@{LOOPBACK}:{self.port}/"

    def start(self) -> None:
        """Start it; wait_ready says when it serves."""
        self._write_files()
        self._mapper.start()
        self._mapper.wait_ready(10)
        self.process.start()

    def restart(self) -> None:
        """Stop the broker, and let it serve again; blocks."""
        self.process.stop()
        self.process.start()
        self.wait_ready()

    def wait_ready(self) -> None:
        """Wait until the broker greets a client."""
        self.process.wait_ready(90)

    def _write_files(self) -> None:
        self._directory.mkdir(mode=0o700, exist_ok=True)
        settings = {
            "listeners.tcp.default": f"{LOOPBACK}:{self.port}",
            "default_user": _USER,
            "default_pass": self._password,
            "log.console": "true",
            "log.console.level": "warning",
            "log.file": "false",
            # A machine with a nearly full disk can still run a lab.
            "disk_free_limit.absolute": "50MB",
        }
        (self._directory / "rabbitmq.conf").write_text(
            "".join(f"{key} = {value}\n" for key, value in settings.items())
        )
        (self._directory / "enabled_plugins").write_text("[].\n")
        (self._directory / "env.conf").touch()

    def _environment(self, mapper_port: int) -> dict[str, str]:
        here = self._directory
        return {
            "HOME": str(here),  # of the Erlang cookie
            "ERL_EPMD_PORT": str(mapper_port),
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "RABBITMQ_NODENAME": "lab@localhost",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_CONF_ENV_FILE": str(here / "env.conf"),
            "RABBITMQ_CONFIG_FILE": str(here / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(here / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(here / "mnesia"),
            "RABBITMQ_LOG_BASE": str(here),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": _ERLANG,
            # Lets the start script become the broker instead of its parent.
            "RABBITMQ_ALLOW_INPUT": "1",
        }

    def _greets(self) -> bool:
        # The port opens before the broker serves: only its first frame
        # (connection.start, on channel 0) shows that it does.
        try:
            with socket.create_connection(
                (LOOPBACK, self.port), timeout=2
            ) as link:
                link.sendall(b"AMQP\x00\x00\x09\x01")
                return link.recv(3) == b"\x01\x00\x00"
        except OSError:
            return False
