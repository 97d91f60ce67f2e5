# SPDX-License-Identifier: Apache-2.0
"""An SSH server on loopback that does what no good one does.

Its protocol is paramiko's server; what it does at each point is scripted.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

import paramiko
from paramiko.common import (
    AUTH_FAILED,
    AUTH_PARTIALLY_SUCCESSFUL,
    AUTH_SUCCESSFUL,
    OPEN_SUCCEEDED,
)

LOOPBACK = "127.0.0.1"
USER, PASSWORD = "stack", "very secret"

#: What becomes of a command: gets its text and its channel.
Act = Callable[[str, paramiko.Channel], None]


def ends(code: int, output: bytes = b"", errors: bytes = b"") -> Act:
    def act(command: str, channel: paramiko.Channel) -> None:
        channel.sendall(output)
        channel.sendall_stderr(errors)
        channel.send_exit_status(code)
        channel.close()

    return act


def echoes(command: str, channel: paramiko.Channel) -> None:
    """Sends back what it gets, after the command itself."""
    channel.sendall(command.encode() + b"\n")
    while part := channel.recv(65536):
        channel.sendall(part)
    channel.send_exit_status(0)
    channel.close()


class ScriptedHost(paramiko.ServerInterface):
    """Change its attributes before the next connection."""

    def __init__(self) -> None:
        self.key = paramiko.ECDSAKey.generate()
        #: Does all with a connection, instead of SSH.
        self.instead: Callable[[socket.socket], None] | None = None
        self.act: Act = ends(0)
        self.takes_password = True
        self.takes_questions = False
        self.wants_more = False
        #: An event to wait for at these points, in SSH's own thread.
        self.at_login: threading.Event | None = None
        self.at_exec: threading.Event | None = None
        self.connections = 0
        self._most = threading.Lock()
        self.open_now = 0
        self.open_most = 0
        self._listener = socket.create_server((LOOPBACK, 0))
        self.port = int(self._listener.getsockname()[1])
        self._transports: list[paramiko.Transport] = []
        self._sockets: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for event in (self.at_login, self.at_exec):
            if event is not None:
                event.set()
        self.drop()
        self._thread.join(10)

    def drop(self) -> None:
        """Cut all connections."""
        for one in self._sockets:
            one.close()
        for transport in self._transports:
            transport.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            if self.instead is not None:
                self._sockets.append(connection)
                self.instead(connection)
                continue
            transport = paramiko.Transport(connection)
            transport.add_server_key(self.key)
            self._transports.append(transport)
            transport.start_server(threading.Event(), self)

    # -- paramiko.ServerInterface ---------------------------------------------

    def get_allowed_auths(self, username: str) -> str:
        return "keyboard-interactive" if self.takes_questions else "password"

    def check_auth_password(self, username: str, password: str) -> int:
        if self.at_login is not None:
            self.at_login.wait(30)
        if not self.takes_password:
            return AUTH_FAILED
        return self._judged(username == USER and password == PASSWORD)

    def check_auth_interactive(
        self, username: str, submethods: str
    ) -> paramiko.InteractiveQuery:
        return paramiko.InteractiveQuery("", "", ("Password: ", False))

    def check_auth_interactive_response(self, responses: list[str]) -> int:
        return self._judged(responses == [PASSWORD])

    def _judged(self, good: bool) -> int:
        if not good:
            return int(AUTH_FAILED)
        if self.wants_more:
            return int(AUTH_PARTIALLY_SUCCESSFUL)
        return int(AUTH_SUCCESSFUL)

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return int(OPEN_SUCCEEDED)

    def check_channel_exec_request(
        self, channel: paramiko.Channel, command: bytes
    ) -> bool:
        if self.at_exec is not None:
            self.at_exec.wait(30)
        # Not before the answer to the request itself is sent.
        timer = threading.Timer(
            0.05, self._carry_out, (command.decode(), channel)
        )
        timer.daemon = True
        timer.start()
        return True

    def _carry_out(self, command: str, channel: paramiko.Channel) -> None:
        with self._most:
            self.open_now += 1
            self.open_most = max(self.open_most, self.open_now)
        try:
            self.act(command, channel)
        except (OSError, EOFError, paramiko.SSHException):
            # The client is gone.
            pass
        finally:
            with self._most:
                self.open_now -= 1
