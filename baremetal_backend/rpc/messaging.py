# SPDX-License-Identifier: Apache-2.0
"""Calls through oslo.messaging: one topic, one server name per conductor.

Only imported when ``[DEFAULT]rpc_transport`` asks for it: it brings 20 MiB
and half a second. A caller waits in slices, and gives up as soon as the
conductor is known to be gone, or when neither it nor the broker gives a sign
of life. No call is ever sent twice by itself: whoever gets no answer does not
know whether it was carried out, and says so.
"""

from __future__ import annotations

import importlib
import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import (
    CancelledError,
    Future,
    ThreadPoolExecutor,
)
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any

from oslo_config import cfg

from baremetal_backend.conf.settings import ConfigurationError
from baremetal_backend.core.errors import (
    BackendError,
    ConductorUnreachable,
    InternalError,
    NoFreeWorker,
)
from baremetal_backend.rpc import native_threads, wire
from baremetal_backend.rpc.interface import Conductor

native_threads.choose()
import oslo_messaging  # noqa: E402
from amqp.exceptions import AMQPError  # noqa: E402
from kombu.exceptions import KombuError  # noqa: E402
from oslo_messaging.rpc import dispatcher  # noqa: E402

LOG = logging.getLogger(__name__)

# oslo.messaging lets errors of the libraries below it through.
_BROKEN = (
    oslo_messaging.MessagingException,
    KombuError,
    AMQPError,
    OSError,
)

TOPIC = "baremetal-conductor"
_VERSION = "1.0"

# Seconds without a sign of life of a server that works on a call.
_SILENCE = 10

# Seconds between two looks at whether the other side is still there.
_SLICE = 0.5

# Tries to hand a message to a broker that does not answer.
_SENDS = 2

# Seconds in which a server that stops answers what it works on.
_STOP = 10.0

# Calls of this process that wait at the same time, also abandoned ones.
_MOST_CALLS = 200


def make_transport(options: cfg.ConfigOpts) -> Any:
    """The way to the broker. Nothing is connected yet.

    Errors: ConfigurationError.
    """
    _declare_hidden(options)
    try:
        transport = oslo_messaging.get_rpc_transport(options)
    except Exception as error:
        text = " ".join(str(error).split())
        raise ConfigurationError(
            f"[DEFAULT]transport_url: {text}; write it like "
            "rabbit://user:password@host:5672/."
        ) from error
    if transport.conf.transport_url in (None, "", "rabbit://"):
        raise ConfigurationError(
            "[DEFAULT]transport_url: is empty, and rpc_transport = oslo "
            "needs it; write it like rabbit://user:password@host:5672/."
        )
    return transport


def _declare_hidden(options: cfg.ConfigOpts) -> None:
    # oslo.messaging 18.3 reads these groups from the object that it was
    # given, and declares them on its global one only.
    for name in ("tracing", "metrics"):
        group = f"oslo_messaging_{name}"
        try:
            module = importlib.import_module(f"oslo_messaging._{name}.client")
        except ImportError:
            continue
        options.register_opts(getattr(module, group, []), group=group)


class MessagingRemote:
    """Calls to other processes. Owned by the runtime, shared by threads."""

    def __init__(
        self,
        transport: Any,
        serves: Callable[[str], bool],
    ) -> None:
        """``serves``: whether a conductor may still answer. A call takes
        ``[DEFAULT]rpc_response_timeout`` seconds at most."""
        self._serves = serves
        self._client = oslo_messaging.get_rpc_client(
            transport,
            oslo_messaging.Target(topic=TOPIC, version=_VERSION),
            retry=_SENDS,
        )
        # The client has just declared the option.
        self._timeout = float(transport.conf.rpc_response_timeout)
        self._pool = ThreadPoolExecutor(
            _MOST_CALLS, thread_name_prefix="baremetal-call"
        )
        self._free = threading.BoundedSemaphore(_MOST_CALLS)

    def call(
        self, host: str, method: str, arguments: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """See ``rpc.remote.Remote``."""
        if not self._free.acquire(blocking=False):
            raise NoFreeWorker(retry_after=5.0)
        client = self._client.prepare(
            server=host,
            timeout=self._timeout,
            call_monitor_timeout=min(_SILENCE, self._timeout),
        )
        try:
            sent: Future[Any] = self._pool.submit(
                client.call, {}, "call", name=method, arguments=dict(arguments)
            )
        except RuntimeError:
            self._free.release()
            raise _unsent(host, "this process is stopping") from None
        sent.add_done_callback(lambda _sent: self._free.release())
        return self._answer(host, sent)

    def _answer(self, host: str, sent: Future[Any]) -> Mapping[str, Any]:
        """Wait for it, as long as there is hope."""
        for _ in range(int((self._timeout + _SILENCE) / _SLICE)):
            try:
                return dict(sent.result(_SLICE))
            except FutureTimeout:
                if not self._serves(host):
                    raise _silent(host, "it is gone") from None
            except CancelledError:
                raise _unsent(host, "this process is stopping") from None
            except oslo_messaging.MessagingTimeout:
                break
            except oslo_messaging.MessageDeliveryFailure as error:
                LOG.error("Can't ask conductor %s: %s", host, error)
                raise _unsent(
                    host, "the message broker is not available"
                ) from error
            except _BROKEN as error:
                LOG.error("Can't ask conductor %s: %s", host, error)
                raise _silent(host, "the messages failed") from error
        raise _silent(host, "it did not answer in time")

    def stop(self) -> None:
        """Send nothing more."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _unsent(host: str, reason: str) -> ConductorUnreachable:
    return ConductorUnreachable(
        f"Conductor {host} was not asked: {reason}.", retry_after=5.0
    )


def _silent(host: str, reason: str) -> ConductorUnreachable:
    return ConductorUnreachable(
        f"No answer came from conductor {host}: {reason}. The request may "
        "have been carried out; look before you repeat it.",
        retry_after=5.0,
    )


class _Endpoint:
    """What a server offers: one method for all."""

    target = oslo_messaging.Target(version=_VERSION)

    def __init__(self, conductor: Conductor) -> None:
        self._conductor = conductor

    def call(
        self, _context: Any, name: str, arguments: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Carry out a call; errors are answers too."""
        try:
            if not wire.is_method(name):
                raise InternalError(
                    f"This conductor is of another release: no {name} here."
                )
            given = wire.decode_arguments(name, arguments)
            result = getattr(self._conductor, name)(**given)
            return wire.encode_result(name, result)
        except BackendError as error:
            return wire.encode_error(error)
        except Exception:
            LOG.exception("%s failed", name)
            return wire.encode_error(
                InternalError("Internal error, the conductor's log says more.")
            )


class MessagingServer:
    """Takes calls from other processes. Owned by the runtime."""

    def __init__(
        self, transport: Any, host: str, conductor: Conductor
    ) -> None:
        self._server = oslo_messaging.get_rpc_server(
            transport,
            oslo_messaging.Target(topic=TOPIC, server=host),
            [_Endpoint(conductor)],
            executor="threading",
            access_policy=dispatcher.DefaultRPCAccessPolicy,
        )

    def start(self) -> None:
        """Listen. Connects in the background if the broker is away."""
        self._server.start()

    def stop(self) -> None:
        """Take no more calls; answer those that are under way, for a while."""
        ending = threading.Thread(
            target=self._end, name="baremetal-unlisten", daemon=True
        )
        ending.start()
        ending.join(_STOP)
        if ending.is_alive():
            LOG.warning("Calls of other processes are left unanswered.")

    def _end(self) -> None:
        try:
            self._server.stop()
            self._server.wait()
        except Exception:
            LOG.exception("The message server did not stop as it should.")


__all__ = ["MessagingRemote", "MessagingServer", "make_transport"]
