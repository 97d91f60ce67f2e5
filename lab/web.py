# SPDX-License-Identifier: Apache-2.0
"""A WSGI application as a process of its own, behind waitress."""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from lab.ports import LOOPBACK, free_port
from lab.processes import CHECKOUT, Crew, Process

# No proxy of the environment may see a request for the loopback interface.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def answers(url: str) -> bool:
    """Whether an HTTP server answers at all, short of its own failure."""
    try:
        with _OPENER.open(url, timeout=5) as response:
            return bool(response.status < 500)
    except urllib.error.HTTPError as error:
        return error.code < 500
    except OSError:
        return False


def get_json(url: str, headers: Mapping[str, str]) -> Any:
    """The document at a URL of the lab.

    :raises OSError: there is no good answer
    """
    request = urllib.request.Request(url, headers=dict(headers))
    with _OPENER.open(request, timeout=30) as response:
        return json.load(response)


class WebService:
    """A process that serves one application at ``url``."""

    def __init__(
        self, crew: Crew, name: str, target: str, env: Mapping[str, str]
    ) -> None:
        self.port = free_port()
        self.url = f"http://{LOOPBACK}:{self.port}"
        self.process: Process = crew.process(
            name,
            [sys.executable, "-m", "lab.wsgi_server", str(self.port), target],
            ready=lambda: answers(self.url + "/"),
            env={"PYTHONPATH": str(CHECKOUT), **env},
        )
