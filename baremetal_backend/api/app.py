# SPDX-License-Identifier: Apache-2.0
"""The WSGI application: from the table of routes to answers.

Guarantees, for any request that a server lets through: an answer with the
version headers, errors in the body that clients parse, no 5xx for what a
client sent. A request is taken apart in one order: version, path, method,
query, body; the first thing that is wrong is what the client is told.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qsl

import falcon
from oslo_middleware import http_proxy_to_wsgi, request_id

from baremetal_backend.api import faults, links, microversions, strict_json
from baremetal_backend.api.call import (
    TAKES_NOTHING,
    Answer,
    Call,
    Handler,
    Services,
    Takes,
)
from baremetal_backend.api.faults import (
    JSON_TYPE,
    BadField,
    BodyTooLarge,
    MethodNotAllowed,
    UnsupportedMediaType,
)
from baremetal_backend.api.hardware_calls import Places
from baremetal_backend.api.routes import NOT_OFFERED, ROUTES, Route
from baremetal_backend.api.schemas import Checker
from baremetal_backend.api.wellformed import shown
from baremetal_backend.conf.settings import ApiSettings
from baremetal_backend.core.errors import BackendError, NotFound
from baremetal_backend.rpc.interface import Conductor, ConductorDirectory
from baremetal_backend.storage import Storage

LOG = logging.getLogger(__name__)

WsgiApp = Callable[[dict[str, Any], Any], Iterable[bytes]]

#: Bytes of a body; only states/provision, with its config drive, may be
#: larger, up to [api]max_request_body_size.
MAX_BODY = 1024 * 1024
MAX_ARGUMENTS = 64

_JSON_TYPES = (JSON_TYPE, "application/json-patch+json")


def make_app(
    conductor: Conductor,
    directory: ConductorDirectory,
    storage: Storage,
    settings: ApiSettings,
    ready: Callable[[], bool] = lambda: True,
) -> WsgiApp:
    """The application. ``ready``: whether the conductor takes calls yet."""
    services = Services(
        conductor,
        directory,
        storage,
        settings.max_limit,
        ready,
        Places(settings.threads),
        settings.ramdisk_heartbeat_timeout,
    )
    app = falcon.App(middleware=[_Version()])
    app.req_options.strip_url_path_trailing_slash = True
    app.req_options.keep_blank_qs_values = True
    app.add_error_handler(Exception, _on_bug)
    app.add_error_handler(falcon.HTTPError, _on_http_error)
    app.add_error_handler(BackendError, _on_error)
    app.add_sink(_nothing_here, "/")
    for path, route in ROUTES.items():
        resource = _Resource(services, settings, route)
        app.add_route(path, resource)
        if path.startswith("/v1/"):
            app.add_route(path.removeprefix("/v1"), resource)
    stack: Any = request_id.RequestId(app)
    if getattr(settings, "enable_proxy_headers_parsing", False):
        stack = http_proxy_to_wsgi.HTTPProxyToWSGI(
            stack, {"enable_proxy_headers_parsing": True}
        )
    wrapped: WsgiApp = stack
    return wrapped


class _Version:
    """Finds the request's version before anything else is looked at."""

    def process_request(
        self, req: falcon.Request, resp: falcon.Response
    ) -> None:
        resp.set_header(
            microversions.MINIMUM_HEADER,
            microversions.text(microversions.MINIMUM),
        )
        resp.set_header(
            microversions.MAXIMUM_HEADER,
            microversions.text(microversions.MAXIMUM),
        )
        req.context.began = time.monotonic()
        version = microversions.requested(
            req.get_header(microversions.STANDARD_HEADER),
            req.get_header(microversions.HEADER),
        )
        req.context.version = version
        resp.set_header(microversions.HEADER, microversions.text(version))

    def process_response(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        resource: object,
        req_succeeded: bool,
    ) -> None:
        LOG.debug(
            "%s %s: %s in %.1f ms",
            req.method,
            shown(req.path),
            resp.status,
            (time.monotonic() - req.context.began) * 1000,
        )


class _Resource:
    """One URL as falcon sees it: a responder per method."""

    def __init__(
        self, services: Services, settings: ApiSettings, route: Route
    ) -> None:
        for method, handler in route.methods.items():
            responder = _responder(services, settings, route, handler)
            setattr(self, f"on_{method.lower()}", responder)


def _responder(
    services: Services, settings: ApiSettings, route: Route, handler: Handler
) -> Callable[..., None]:
    takes: Takes = getattr(handler, "takes", TAKES_NOTHING)
    checker = None if takes.body is None else Checker(takes.body)
    limit = settings.max_request_body_size if takes.big_body else MAX_BODY

    def respond(
        req: falcon.Request, resp: falcon.Response, **path: str
    ) -> None:
        if req.context.version < route.since:
            raise NotFound(
                f"{shown(req.path)} needs API version "
                f"{microversions.text(route.since)} or later."
            )
        query = _query(req, takes)
        body = _body(req, takes, limit)
        if checker is not None and body is not None:
            checker.check(body)
        call = Call(
            services,
            req.context.version,
            _base(settings, req),
            req.path,
            query,
            body,
        )
        _send(resp, handler(call, **path))

    return respond


def _base(settings: ApiSettings, req: falcon.Request) -> str:
    env = req.env
    server = f"{env.get('SERVER_NAME')}:{env.get('SERVER_PORT')}"
    return links.base_url(
        settings.public_endpoint,
        req.scheme,
        env.get("HTTP_HOST"),
        server,
        req.root_path,
    )


def _query(req: falcon.Request, takes: Takes) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            req.query_string,
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MAX_ARGUMENTS,
        )
    except ValueError as error:
        raise BadField("query", f"can't be understood: {error}") from error
    query = dict(pairs)
    unknown = sorted(query.keys() - takes.query)
    if unknown:
        names = ", ".join(shown(name)[1:-1] for name in unknown[:5])
        raise BadField("query", f"Unexpected arguments: {names}")
    if len(query) != len(pairs):
        names_given = [name for name, _ in pairs]
        twice = next(n for n in query if names_given.count(n) > 1)
        raise BadField(twice, "is given more than once")
    for name, value in pairs:
        if "\0" in value:
            raise BadField(name, "contains a NUL character")
    return query


def _body(req: falcon.Request, takes: Takes, limit: int) -> Any:
    length = req.content_length or 0
    if length > limit:
        raise BodyTooLarge(
            f"body: is {length} bytes long, at most {limit} are read here"
        )
    data = req.bounded_stream.read() if length else b""
    if takes.body is None:
        if data.strip() not in (b"", b"{}", b"null"):
            raise BadField("body", "this request takes no body")
        return None
    if not data.strip():
        if takes.optional_body:
            return None
        raise BadField("body", "is required")
    kind = (req.content_type or JSON_TYPE).partition(";")[0].strip().lower()
    if kind not in _JSON_TYPES:
        raise UnsupportedMediaType(
            f"Content-Type: {shown(kind)} is not one of: "
            f"{', '.join(_JSON_TYPES)}"
        )
    value = strict_json.parse(data)
    if value is None and not takes.optional_body:
        raise BadField("body", "null is no request")
    return value


def _send(resp: falcon.Response, answer: Answer) -> None:
    resp.status = answer.status
    for name, value in answer.headers.items():
        resp.set_header(name, value)
    if answer.location is not None:
        resp.set_header("Location", answer.location)
    if answer.body is None:
        # python-ironicclient complains of an empty body that claims JSON.
        resp.content_type = falcon.MEDIA_TEXT
    else:
        resp.content_type = JSON_TYPE
        resp.data = answer.body


def _nothing_here(
    req: falcon.Request, resp: falcon.Response, **_path: str
) -> None:
    words = [word for word in req.path.split("/") if word and word != "v1"]
    if words and words[0] in NOT_OFFERED:
        raise NotFound(f"{words[0]}: is not offered by this service.")
    raise NotFound(f"{shown(req.path)}: there is no such resource.")


def _fail(
    resp: falcon.Response, status: int, faultstring: str, faultcode: str
) -> None:
    resp.status = status
    resp.content_type = JSON_TYPE
    resp.data = faults.body(faultstring, faultcode)


def _on_error(
    req: falcon.Request, resp: falcon.Response, error: BackendError, _: Any
) -> None:
    if error.status >= 500:
        LOG.error("%s %s: %s", req.method, shown(req.path), error.message)
    if error.retry_after is not None:
        resp.set_header("Retry-After", str(max(1, round(error.retry_after))))
    _fail(resp, error.status, error.message, error.faultcode)


def _on_http_error(
    req: falcon.Request, resp: falcon.Response, error: falcon.HTTPError, _: Any
) -> None:
    for name, value in dict(error.headers or {}).items():
        resp.set_header(name, value)
    text = error.description or error.title
    if error.status_code == MethodNotAllowed.status:
        text = f"{req.method} is not possible for {shown(req.path)}."
    elif error.status_code == BodyTooLarge.status:
        text = f"body: {text}"
    _fail(resp, error.status_code, text, "Client")


def _on_bug(
    req: falcon.Request, resp: falcon.Response, error: Exception, _: Any
) -> None:
    LOG.exception("%s %s failed", req.method, shown(req.path))
    # The text of a bug may hold secrets; the log has it, clients don't.
    _fail(resp, 500, "Internal error, the service's log says more.", "Server")
