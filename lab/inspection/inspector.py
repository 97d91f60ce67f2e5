# SPDX-License-Identifier: Apache-2.0
"""The real ironic-inspector, as a process on SQLite.

One process that serves HTTP and does the work, without Identity service,
message broker or DHCP server. What ``recommended`` says is what the
administrator's guide tells people to write; tests change single options.
Everything is below the crew's state directory and ends with the crew.
"""

from __future__ import annotations

import base64
import json
import shutil
import signal
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bcrypt

from lab import conf_files
from lab.ports import LOOPBACK, free_port
from lab.processes import Crew, Process
from lab.programs import program
from lab.waiting import wait_for

#: Python packages that are needed beside the project's own.
PACKAGES = ("ironic-inspector>=12.5.0,<13",)

PROGRAM = "ironic-inspector"

_CONTINUE = "/v1/continue"

# No proxy of the environment may see a request for the loopback interface.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Account:
    """Who may use the service, with ``auth_strategy = http_basic``."""

    username: str
    password: str


@dataclass(frozen=True)
class Answer:
    """What the service said; ``json`` is None if that was no JSON."""

    status: int
    json: Any

    @property
    def message(self) -> str:
        """The sentence of an error; empty for anything else."""
        if isinstance(self.json, dict) and "error" in self.json:
            return str(self.json["error"]["message"])
        return ""


def recommended(api_url: str) -> conf_files.Sections:
    """Options for use with our service, as the documentation has them.

    :param api_url: where the Bare Metal API answers
    """
    return {
        "DEFAULT": {
            "listen_address": LOOPBACK,
            "auth_strategy": "noauth",
            # One process: nothing leaves it.
            "transport_url": "fake://",
            # Spaces reboots by 5 s each otherwise, while "timeout" counts.
            "introspection_delay": 0,
        },
        "ironic": {
            "auth_type": "none",
            "endpoint_override": api_url,
            # A node that is in use for a moment, or a restart of the API,
            # would end an introspection.
            "status_code_retries": 15,
            "status_code_retry_delay": 2,
            "connect_retries": 15,
            "connect_retry_delay": 2,
        },
        "processing": {
            # What GET /v1/nodes/{id}/inventory shows.
            "store_data": "database",
            # Ports for all NICs; only the one it booted from otherwise.
            "add_ports": "all",
            # [discoverd]overwrite_existing decides.
            "overwrite_existing": True,
        },
        "pxe_filter": {"driver": "noop"},
    }


class Inspector:
    """One ironic-inspector: started, broken and started again.

    :param crew: who owns the process
    :param api_url: where the Bare Metal API answers, or will answer
    :param account: ask for this name and password; None: ask for nothing
    :param empty: where to keep, or find, a database without content; saves
        the seconds that it takes to make one
    :param sections: options to lay over the recommended ones:
        ``DEFAULT={"timeout": 20}``
    """

    def __init__(
        self,
        crew: Crew,
        api_url: str,
        *,
        name: str = "ironic-inspector",
        account: Account | None = None,
        empty: Path | None = None,
        **sections: conf_files.Options,
    ) -> None:
        self.port = free_port()
        self.url = f"http://{LOOPBACK}:{self.port}"
        self._crew = crew
        self._name = name
        self._account = account
        self._directory = crew.state_dir / name
        self._directory.mkdir(parents=True, exist_ok=True)
        self.database = self._directory / "inspector.sqlite"
        self._empty = empty or self._directory / "empty.sqlite"
        self.conf = self._directory / "inspector.conf"
        self._layers = [recommended(api_url), self._own_options(), sections]
        self._write()
        self.process: Process = crew.process(
            name,
            [program(PROGRAM), f"--config-file={self.conf}"],
            ready=self.is_serving,
        )

    @property
    def service_url(self) -> str:
        """For ``[discoverd]service_url``."""
        return f"{self.url}/v1"

    @property
    def account(self) -> Account | None:
        """Who may use it."""
        return self._account

    def configure(self, **sections: conf_files.Options) -> None:
        """Change options; they hold from the next start on."""
        self._layers.append(sections)
        self._write()

    def start(self, seconds: float = 60.0) -> None:
        """Start it, with the database it had; it serves when this returns.

        :raises ProcessFailed: it ended instead; with the end of its log
        :raises TimedOut: it runs, but does not serve in time
        """
        if not self.database.exists():
            self._make_database()
        self.process.start()
        self.process.wait_ready(seconds)

    def stop(self) -> None:
        """Stop it; requests on their way are answered before."""
        self.process.stop()

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()

    def restart(self, *, forget: bool = False, kill: bool = False) -> None:
        """Stop it and start it again; it serves when this returns.

        :param forget: without its database
        :param kill: by SIGKILL
        """
        self.kill() if kill else self.stop()
        if forget:
            self.forget()
        self.start()

    def forget(self) -> None:
        """Remove its database; only while it does not run."""
        if self.process.is_running:
            raise RuntimeError(f"{self._name} runs")
        for end in ("", "-journal", "-wal", "-shm"):
            file = self.database.with_name(self.database.name + end)
            file.unlink(missing_ok=True)

    def hang(self) -> None:
        """SIGSTOP: connections are taken, and nothing is answered."""
        self.process.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self.process.signal(signal.SIGCONT)

    def is_serving(self) -> bool:
        """Whether it answers; asks for nothing that needs a name."""
        try:
            return self.ask("GET", "/").status == 200
        except OSError:
            return False

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        seconds: float = 90.0,
    ) -> Answer:
        """A request, with name and password where it wants them.

        :param path: below ``url``
        :raises OSError: there was no answer
        """
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers=self._headers(path),
        )
        try:
            with _OPENER.open(request, timeout=seconds) as response:
                return Answer(response.status, _decoded(response.read()))
        except urllib.error.HTTPError as error:
            return Answer(error.code, _decoded(error.read()))

    def introspect(self, node: str) -> Answer:
        """What a client does, to begin."""
        return self.ask("POST", f"/v1/introspection/{node}")

    def status(self, node: str) -> dict[str, Any] | None:
        """Its record of a node; None: it has none."""
        answer = self.ask("GET", f"/v1/introspection/{node}")
        return dict(answer.json) if answer.status == 200 else None

    def statuses(self) -> dict[str, dict[str, Any]]:
        """Node to record, for all (up to 1,000)."""
        answer = self.ask("GET", "/v1/introspection")
        return {one["uuid"]: one for one in answer.json["introspection"]}

    def report(self, report: Mapping[str, Any]) -> Answer:
        """What a ramdisk does, when it has looked around."""
        return self.ask("POST", _CONTINUE, dict(report))

    def wait_state(
        self, node: str, *states: str, seconds: float = 30.0
    ) -> dict[str, Any]:
        """Wait until its record of a node is in one of these states.

        It writes the name of an end before the end itself: that is waited
        for as well.

        :raises TimedOut: with the record as it was last
        """

        def reached() -> dict[str, Any] | None:
            found = self.status(node)
            if found is None or found["state"] not in states:
                return None
            if found["state"] in ("finished", "error"):
                return found if found["finished"] else None
            return found

        found = wait_for(
            reached, seconds, f"{' or '.join(states)} of {node}", every=0.1
        )
        assert found is not None
        return found

    def log_text(self) -> str:
        """All that it wrote, over all of its starts."""
        return self.process.log_text()

    def _make_database(self) -> None:
        # Takes longer than all else, and comes to the same each time.
        if not self._empty.exists():
            self._crew.command(
                f"{self._name}-dbsync",
                [
                    program(f"{PROGRAM}-dbsync"),
                    f"--config-file={self.conf}",
                    "upgrade",
                ],
            )
            shutil.move(self.database, self._empty)
        shutil.copyfile(self._empty, self.database)

    def _own_options(self) -> conf_files.Sections:
        options: dict[str, object] = {
            "listen_port": self.port,
            "host": LOOPBACK,
        }
        if self._account:
            users = self._directory / "htpasswd"
            hashed = bcrypt.hashpw(
                self._account.password.encode(), bcrypt.gensalt(rounds=4)
            )
            users.write_text(f"{self._account.username}:{hashed.decode()}\n")
            users.chmod(0o600)
            options |= {
                "auth_strategy": "http_basic",
                "http_basic_auth_user_file": users,
            }
        return {
            "DEFAULT": options,
            "database": {"connection": f"sqlite:///{self.database}"},
        }

    def _write(self) -> None:
        conf_files.write(self.conf, conf_files.merge(*self._layers))

    def _headers(self, path: str) -> dict[str, str]:
        headers = {"Content-Type": "application/json"}
        if self._account and path != _CONTINUE:
            who = f"{self._account.username}:{self._account.password}"
            encoded = base64.b64encode(who.encode()).decode()
            headers["Authorization"] = f"Basic {encoded}"
        return headers


def _decoded(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return None
