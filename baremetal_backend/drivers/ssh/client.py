# SPDX-License-Identifier: Apache-2.0
"""``ports.Client`` by paramiko.

A session is opened for what one call has to do, and closed after it: nothing
is left open on a host, and a host that restarts costs nothing. A few
sessions at a time go to a host, since sshd drops what is too many.

Threads: paramiko's, one per session, and one that ends a session whose time
is over, since paramiko waits without an end at several places; both are
named ``baremetal-ssh``, and end with the session.

All errors of paramiko become ``errors.SshError`` here.
"""

from __future__ import annotations

import shlex
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from baremetal_backend.conf.settings import ConfigurationError, Settings
from baremetal_backend.conf.ssh import ACCEPT
from baremetal_backend.drivers import base
from baremetal_backend.drivers.ssh import keys
from baremetal_backend.drivers.ssh.errors import (
    AccessDenied,
    HostKeyRefused,
    ProtocolViolation,
    SshError,
    Unfinished,
    Unreachable,
)
from baremetal_backend.drivers.ssh.ports import Ended, Host, Session

if TYPE_CHECKING:
    import paramiko

# Seconds after the host's own deadline for a command to be given up.
_GRACE = 5.0

# More bytes than any definition of a machine has.
_MOST = 4 * 1024 * 1024

_LOGIN = "login"

Receive = Callable[[int], bytes]


class SshClient(base.Equipment):
    """Logs in to hosts. Safe for all threads."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._lock = threading.Lock()
        #: Guarded by the lock, like all that follows.
        self._turns: dict[str, threading.Semaphore] = {}
        self._open: set[paramiko.Transport] = set()
        self._stopped = False

    def start(self) -> None:
        """Errors: ConfigurationError where a library is missing."""
        try:
            import lxml.etree
            import paramiko
        except ImportError as error:
            raise ConfigurationError(
                "[DEFAULT]enabled_hardware_types: pxe_ssh needs a library "
                f"that is not installed ({error}); run pip install "
                "nova-ironic-partition[ssh], or take pxe_ssh out."
            ) from error
        del lxml, paramiko
        with self._lock:
            self._stopped = False

    def stop(self) -> None:
        """Open no more, and end what is open."""
        with self._lock:
            self._stopped = True
            still_open = list(self._open)
        for transport in still_open:
            transport.close()

    @contextmanager
    def session(self, host: Host) -> Iterator[Session]:
        """See ``ports.Client``."""
        deadline = _Deadline(self.settings.ssh.connect_timeout)
        with self._lock:
            turn = self._turns.setdefault(
                host.where,
                threading.Semaphore(self.settings.ssh.max_sessions),
            )
        if not turn.acquire(timeout=deadline.left()):
            raise Unreachable(
                host.where, _LOGIN, "other sessions with it took longer"
            )
        try:
            with self._transport(host, deadline) as transport:
                _log_in(transport, host, self._known(host), deadline)
                limit = self.settings.ssh.command_timeout + _GRACE
                yield _Session(transport, host.where, limit)
        finally:
            turn.release()

    def _known(self, host: Host) -> Sequence[tuple[str, bytes]] | None:
        """Keys that the host may have; None: any."""
        if host.host_key is not None:
            return [host.host_key]
        file = self.settings.ssh.known_hosts
        try:
            found = keys.known(file, host)
        except (OSError, ValueError) as error:
            raise HostKeyRefused(
                host.where, _LOGIN, f"can't read {file}: {error}"
            ) from None
        if not found and self.settings.ssh.host_key_policy == ACCEPT:
            return None
        return found

    @contextmanager
    def _transport(
        self, host: Host, deadline: _Deadline
    ) -> Iterator[paramiko.Transport]:
        """A connection, closed at the end of the block."""
        import paramiko

        where = host.where
        try:
            connection = socket.create_connection(
                (host.address, host.port), deadline.left()
            )
        except (OSError, UnicodeError) as error:
            raise Unreachable(where, "connection", _why(error)) from error
        transport = paramiko.Transport(connection)
        transport.name = f"baremetal-ssh-{where}"
        try:
            with self._lock:
                if self._stopped:
                    raise Unreachable(where, _LOGIN, "the service stops")
                self._open.add(transport)
            yield transport
        finally:
            with self._lock:
                self._open.discard(transport)
            transport.close()
            connection.close()


class _Deadline:
    """The end of a time; the monotonic clock's seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Never 0, which means without an end to some."""
        return max(self._end - time.monotonic(), 0.001)

    @property
    def over(self) -> bool:
        """Whether it has passed."""
        return time.monotonic() >= self._end


@contextmanager
def _closing(
    transport: paramiko.Transport, deadline: _Deadline
) -> Iterator[None]:
    """Close the connection when the time is over: that ends every wait."""
    timer = threading.Timer(deadline.left(), transport.close)
    timer.name = "baremetal-ssh-deadline"
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _log_in(
    transport: paramiko.Transport,
    host: Host,
    known: Sequence[tuple[str, bytes]] | None,
    deadline: _Deadline,
) -> None:
    """Agree on keys, look at the host's, show ours. Errors: SshError."""
    import paramiko

    limit = deadline.left()
    transport.banner_timeout = limit
    transport.handshake_timeout = limit
    transport.auth_timeout = limit
    offers = transport.get_security_options()
    kinds = [kind for kind, _key in known or ()]
    offers.key_types = keys.preferred(offers.key_types, kinds)
    with _closing(transport, deadline):
        try:
            transport.start_client(timeout=limit)
            if deadline.over:
                raise Unreachable(host.where, _LOGIN, _too_late(deadline))
            _check_host_key(transport.get_remote_server_key(), host, known)
            _authenticate(transport, host)
        except SshError:
            raise
        except paramiko.AuthenticationException as error:
            if transport.is_active() and not deadline.over:
                raise AccessDenied(
                    host.where,
                    f"login as {host.username!a}",
                    "the host refused the user, or the password or key",
                ) from error
            raise _lost(host.where, _LOGIN, error, deadline) from error
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise _lost(host.where, _LOGIN, error, deadline) from error
        except Exception as error:
            raise _rubbish(host.where, _LOGIN, error) from error


def _check_host_key(
    shown: paramiko.PKey,
    host: Host,
    known: Sequence[tuple[str, bytes]] | None,
) -> None:
    if known is None:
        return
    kind, key = shown.get_name(), shown.asbytes()
    if any(key == one for _kind, one in known):
        return
    if not known:
        raise HostKeyRefused(
            host.where,
            _LOGIN,
            f"nobody gave the host's key; it shows {kind} "
            f"{shown.fingerprint}; if that is right, put the key into "
            "driver_info ssh_host_key or into [ssh]known_hosts",
        )
    given = ", ".join(one for one, _key in known)
    raise HostKeyRefused(
        host.where,
        _LOGIN,
        f"the host shows another key ({kind} {shown.fingerprint}) than was "
        f"given ({given}): it was set up anew, or somebody is in between",
    )


def _authenticate(transport: paramiko.Transport, host: Host) -> None:
    if host.key is not None:
        try:
            key = keys.private_key(host.key)
        except ValueError as error:
            raise AccessDenied(
                host.where, _LOGIN, f"the private key {error}"
            ) from None
        further = transport.auth_publickey(host.username, key)
    else:
        further = transport.auth_password(host.username, host.password or "")
    if further:
        raise AccessDenied(
            host.where,
            f"login as {host.username!a}",
            "the host wants a second proof beside the password or key",
        )


class _Session:
    """``ports.Session``."""

    def __init__(
        self, transport: paramiko.Transport, where: str, seconds: float
    ) -> None:
        self._transport = transport
        self._where = where
        self._seconds = seconds

    def run(
        self, tried: str, argv: Sequence[str], stdin: bytes = b""
    ) -> Ended:
        """See ``ports.Session``."""
        import paramiko

        deadline = _Deadline(self._seconds)
        command = shlex.join(argv)
        with _closing(self._transport, deadline):
            try:
                return self._ended(tried, command, stdin, deadline)
            except SshError:
                raise
            except (paramiko.SSHException, OSError, EOFError) as error:
                lost = _lost(self._where, tried, error, deadline)
                raise Unfinished(
                    self._where,
                    tried,
                    f"{lost.detail}; it may have been carried out",
                ) from error
            except Exception as error:
                raise _rubbish(self._where, tried, error) from error

    def _ended(
        self, tried: str, command: str, stdin: bytes, deadline: _Deadline
    ) -> Ended:
        channel = self._transport.open_session(timeout=deadline.left())
        try:
            channel.settimeout(deadline.left())
            channel.exec_command(command)
            # A command may end without having read; its exit code counts.
            with suppress(OSError):
                channel.sendall(stdin)
                channel.shutdown_write()
            output = self._drained(tried, channel.recv)
            errors = self._drained(tried, channel.recv_stderr)
            if not channel.status_event.wait(deadline.left()):
                raise TimeoutError
            # Below 0: the host did not say how it ended.
            if channel.exit_status < 0:
                raise EOFError("the host did not say how it ended")
            return Ended(channel.exit_status, output, errors)
        finally:
            channel.close()

    def _drained(self, tried: str, receive: Receive) -> bytes:
        """All that comes, in time: else the connection is closed."""
        found = bytearray()
        while part := receive(65536):
            found += part
            if len(found) > _MOST:
                raise ProtocolViolation(
                    self._where, tried, f"more than {_MOST} bytes came"
                )
        return bytes(found)


def _lost(
    where: str, tried: str, error: Exception, deadline: _Deadline
) -> Unreachable:
    if deadline.over:
        return Unreachable(where, tried, _too_late(deadline))
    return Unreachable(where, tried, _why(error))


def _rubbish(where: str, tried: str, error: Exception) -> ProtocolViolation:
    """What paramiko's thread stumbled over, which reads what a host sends."""
    said = f"what came makes no sense ({type(error).__name__}: {_why(error)})"
    return ProtocolViolation(where, tried, said)


def _too_late(deadline: _Deadline) -> str:
    return f"no answer within {deadline.seconds:.0f} s"


def _why(error: Exception) -> str:
    """What an error says; never empty, on one line."""
    text = str(getattr(error, "strerror", None) or error)
    return " ".join(text.split()).rstrip(".") or type(error).__name__


__all__ = ["SshClient"]
