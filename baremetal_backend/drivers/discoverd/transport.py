# SPDX-License-Identifier: Apache-2.0
"""HTTP to the inspection service, and to the identity service on the way.

Each request ends in time with a whole answer of the kind that was asked for,
or with an error of ``drivers.discoverd.errors``: what requests and urllib3
raise, and what status codes mean, is known here and nowhere else. No header
and no body is logged, since they hold secrets.
"""

from __future__ import annotations

import io
import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final

import requests
import urllib3
from keystoneauth1 import loading
from keystoneauth1.session import Session
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from baremetal_backend.conf.discoverd import DiscoverdSettings
from baremetal_backend.drivers.discoverd.errors import (
    NoAnswer,
    Refusal,
    ServiceError,
    Trouble,
)
from baremetal_backend.drivers.discoverd.wording import cleaned, shown_url

# Seconds for an inspection to be given up: somebody waits for it.
_ABORT_TIMEOUT: Final = 10.0

# Bytes of the largest answer; a list of 1000 records has 270,000.
_LARGEST: Final = 32 * 2**20

_PIECE: Final = 2**16

# "Later", as proxies and busy services say it, and a version that was right
# when the client was made: nothing of the request was carried out.
_NOT_NOW: Final = (406, 408, 425, 429)


class ServiceSession(Session):
    """keystoneauth's session, with time-outs and typed errors."""

    def __init__(self, settings: DiscoverdSettings) -> None:
        self._settings = settings
        #: The service's address, as it stands in requests.
        self.root = _normal(settings.service_url or "")
        self._wire = requests.Session()
        adapter = _Adapter(self.root, settings.max_parallel_requests + 2)
        for scheme in ("http://", "https://"):
            self._wire.mount(scheme, adapter)
        super().__init__(
            auth=_authentication(settings),
            session=self._wire,
            verify=not settings.insecure and (settings.cafile or True),
            cert=_certificate(settings),
            app_name="baremetal-backend",
        )

    def request(
        self, url: str, method: str, **kwargs: Any
    ) -> requests.Response:
        """Errors: NoAnswer, Refusal; keystoneauth's for the identity
        service's answers."""
        kwargs["timeout"] = (
            self._settings.connect_timeout,
            self._patience(url, method),
        )
        kwargs["log"] = False
        ours = _is_under(self.root, url)
        if ours:
            # A token must not follow to wherever an answer points.
            kwargs["redirect"] = False
        response: requests.Response = super().request(url, method, **kwargs)
        if ours:
            self._check(response, method.upper() == "POST", url == self.root)
        return response

    def close(self) -> None:
        """Close all connections."""
        self._wire.close()

    def _patience(self, url: str, method: str) -> float:
        settings = self._settings
        if method.upper() != "POST" or not _is_under(self.root, url):
            return settings.request_timeout
        if url.endswith("/abort"):
            return min(_ABORT_TIMEOUT, settings.request_timeout)
        return settings.start_timeout

    def _check(
        self, response: requests.Response, posted: bool, is_root: bool
    ) -> None:
        """Errors: NoAnswer, Refusal, for all but what was asked for."""
        code = response.status_code
        if code == (202 if posted else 200):
            return
        if code == 404 and is_root:
            # Before version 1.1 nothing was there.
            return
        raise _problem(self.root, response, posted)


class _Adapter(HTTPAdapter):
    """Reads whole answers, within the time and a size."""

    def __init__(self, root: str, connections: int) -> None:
        super().__init__(pool_maxsize=connections)
        self._root = root

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Arguments: those of HTTPAdapter."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Arguments: those of HTTPAdapter."""
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        """Errors: NoAnswer. Arguments: those of HTTPAdapter."""
        request: requests.PreparedRequest = args[0]
        connect, read = kwargs["timeout"]
        until = time.monotonic() + connect + read
        try:
            with _ending(until):
                response = super().send(*args, **{**kwargs, "stream": True})
                response.raw = io.BytesIO(_body(response.raw, until))
        except (
            OSError,
            requests.RequestException,
            urllib3.exceptions.HTTPError,
        ) as error:
            raise self._no_answer(request, error, connect, read) from error
        except _TooLarge as error:
            raise NoAnswer(
                f"{self._who(request)} answers without end.",
                "rubbish",
                self._carries_out(request),
            ) from error
        return response

    def _no_answer(
        self,
        request: requests.PreparedRequest,
        error: Exception,
        connect: float,
        read: float,
    ) -> NoAnswer:
        was_sent = not _was_never_sent(error)
        trouble: Trouble = "unreachable"
        if isinstance(error, requests.ConnectTimeout):
            why = f"can't be reached within {connect:g} s"
        elif isinstance(error, _LATE):
            trouble, why = "timeout", f"does not answer within {read:g} s"
        else:
            how = "breaks off" if was_sent else "can't be reached"
            why = f"{how}: {_root_cause(error)}"
        return NoAnswer(
            f"{self._who(request)} {why}.",
            trouble,
            was_sent and self._carries_out(request),
        )

    def _who(self, request: requests.PreparedRequest) -> str:
        url = request.url or ""
        if _is_under(self._root, url):
            return f"The inspection service at {shown_url(self._root)}"
        parts = urllib3.util.parse_url(url)
        return f"The identity service at {parts.scheme}://{parts.netloc}"

    def _carries_out(self, request: requests.PreparedRequest) -> bool:
        posted = request.method == "POST"
        return posted and _is_under(self._root, request.url or "")


class _TooLarge(Exception):
    """More than anybody needs."""


class _TooSlow(requests.Timeout):
    """The time is over, though a bit comes now and then."""


# What time-outs look like, while an answer is waited for or read.
_LATE: Final = (
    requests.Timeout,
    urllib3.exceptions.TimeoutError,
    TimeoutError,
)


class _Deadline:
    """Ends the read of an answer when its time is over.

    A time-out of a socket begins anew with each byte. Owned by the thread of
    the request; its timer only calls ``pass_by``.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._passed = False

    def read_from(self, connection: socket.socket) -> None:
        """The answer comes from here."""
        with self._lock:
            self._socket = connection
            if self._passed:
                self._shut()

    def pass_by(self) -> None:
        """The time is over: whoever reads sees the end."""
        with self._lock:
            self._passed = True
            self._shut()

    def end(self) -> bool:
        """Nothing is read any more; whether the time was over by then."""
        with self._lock:
            self._socket = None
            return self._passed

    def _shut(self) -> None:
        if isinstance(self._socket, socket.socket):
            with suppress(OSError):
                # Not that of TLS, which would read on without it.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


class _Request(threading.local):
    """What this thread waits for."""

    deadline: _Deadline | None = None


_request: Final = _Request()


@contextmanager
def _ending(until: float) -> Iterator[None]:
    """One request. Errors: _TooSlow in place of all when it is over."""
    deadline = _Deadline()
    timer = threading.Timer(until - time.monotonic(), deadline.pass_by)
    timer.name = "baremetal-discoverd-deadline"
    timer.daemon = True
    timer.start()
    _request.deadline = deadline
    try:
        yield
    except (
        OSError,
        requests.RequestException,
        urllib3.exceptions.HTTPError,
    ) as error:
        if deadline.end():
            raise _TooSlow from error
        raise
    finally:
        late = deadline.end()
        _request.deadline = None
        timer.cancel()
    if late:
        # It may have looked like the end of the answer.
        raise _TooSlow


class _Ending:
    """A connection whose answers end with the deadline of the request."""

    sock: Any

    def getresponse(self) -> Any:
        """As urllib3's."""
        if _request.deadline is not None and self.sock is not None:
            _request.deadline.read_from(self.sock)
        return super().getresponse()  # type: ignore[misc]


class _Connection(_Ending, HTTPConnection):
    pass


class _TlsConnection(_Ending, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


_POOLS: Final = {"http": _Pool, "https": _TlsPool}


def _normal(url: str) -> str:
    """As ``requests`` writes it, without a slash at the end."""
    return (requests.Request("GET", url).prepare().url or "").rstrip("/")


def _is_under(root: str, url: str) -> bool:
    """Whether a request is for the inspection service.

    The identity service may be at the same host, even below ``root``.
    """
    version = root if root.endswith("/v1") else f"{root}/v1"
    return url.rstrip("/") == root or url.startswith(
        f"{version}/introspection"
    )


def _body(raw: urllib3.HTTPResponse, until: float) -> bytes:
    """All of it. Errors: urllib3's, _TooSlow, _TooLarge."""
    pieces: list[bytes] = []
    size = 0
    while piece := raw.read1(_PIECE, decode_content=True):
        pieces.append(piece)
        size += len(piece)
        if size > _LARGEST or time.monotonic() > until:
            raw.close()
            raise _TooLarge if size > _LARGEST else _TooSlow
    raw.release_conn()
    return b"".join(pieces)


def _was_never_sent(error: Exception) -> bool:
    """Whether no connection came to stand."""
    if isinstance(
        error,
        requests.ConnectTimeout
        | requests.exceptions.ProxyError
        | requests.exceptions.SSLError,
    ):
        return True
    cause = error.args[0] if error.args else None
    return isinstance(cause, urllib3.exceptions.MaxRetryError) and isinstance(
        cause.reason, urllib3.exceptions.NewConnectionError
    )


def _root_cause(error: BaseException) -> str:
    """What the operating system, or the peer, said in the first place."""
    for _ in range(10):
        inner = error.__cause__ or error.__context__
        if inner is None:
            break
        error = inner
    said = error.strerror if isinstance(error, OSError) else None
    return cleaned(said or str(error) or type(error).__name__, 200)


def _problem(
    root: str, response: requests.Response, posted: bool
) -> ServiceError:
    """What an answer means that was not asked for."""
    who = f"The inspection service at {shown_url(root)}"
    code = response.status_code
    words = _words(response.content)
    said = f"{code} ({words})" if words else str(code)
    if code in (401, 403):
        return NoAnswer(
            f"{who} does not let this service in: {said}; see "
            "[discoverd]auth_type and what belongs to it.",
            "access",
            may_have_begun=False,
        )
    if code >= 500:
        return NoAnswer(f"{who} answers {said}.", "error", posted)
    if code in _NOT_NOW:
        return NoAnswer(
            f"{who} answers {said}.", "error", may_have_begun=False
        )
    if code >= 400 and words is not None:
        return Refusal(words or f"{who} answers {code}.", code)
    what = "points elsewhere" if 300 <= code < 400 else "makes no sense"
    return NoAnswer(
        f"{who} answers {code}, which {what}; does [discoverd]service_url "
        "name an inspection service?",
        "rubbish",
        posted and code < 300,
    )


def _words(body: bytes) -> str | None:
    """What an error says; None: no inspection service writes like that.

    Up to version 1.0 errors are plain text.
    """
    text = body[:_PIECE].decode("utf-8", "replace").strip()
    if text.startswith("<"):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None if text.startswith(("{", "[")) else cleaned(text)
    error = found.get("error") if isinstance(found, Mapping) else None
    message = error.get("message") if isinstance(error, Mapping) else None
    return cleaned(message) if isinstance(message, str) else None


def _authentication(settings: DiscoverdSettings) -> Any:
    wanted = dict(settings.auth_options)
    if settings.auth_type != "password":
        wanted["endpoint"] = settings.service_url
    loader = loading.get_plugin_loader(settings.auth_type)
    return loader.load_from_options(**wanted)


def _certificate(
    settings: DiscoverdSettings,
) -> str | tuple[str, str] | None:
    if settings.certfile and settings.keyfile:
        return settings.certfile, settings.keyfile
    return settings.certfile


__all__ = ["ServiceSession"]
