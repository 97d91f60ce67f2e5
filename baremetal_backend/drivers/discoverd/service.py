# SPDX-License-Identifier: Apache-2.0
"""The inspection service as equipment: one client, one pool, one due list.

It guarantees that no node is worked on twice at a time, that what the service
can't answer is said once, and that a conductor which could never inspect does
not start. It must not know what a node is or how an inspection goes on.

Nothing of the client library is loaded where inspection is disabled.
"""

from __future__ import annotations

import logging
import os
import random
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from baremetal_backend.conf.discoverd import DiscoverdSettings
from baremetal_backend.conf.settings import ConfigurationError, Settings
from baremetal_backend.core.figures import Figure
from baremetal_backend.drivers import base
from baremetal_backend.drivers.discoverd import availability
from baremetal_backend.drivers.discoverd.errors import NoAnswer, TooOld
from baremetal_backend.drivers.discoverd.figures import all_figures
from baremetal_backend.drivers.discoverd.pool import Pool, Threads, Work
from baremetal_backend.drivers.discoverd.ports import InspectionService
from baremetal_backend.drivers.discoverd.wording import shown_url

if TYPE_CHECKING:
    from baremetal_backend.drivers.discoverd.client import InspectorClient

LOG = logging.getLogger(__name__)

# Seconds that a start waits for the service before it goes on without.
_PATIENT_START: Final = 10.0

# The base of pauses where nobody polls.
_USUAL_PERIOD: Final = 60.0


class InspectionEquipment(base.Equipment):
    """Safe for all threads. Owned by the registry of drivers.

    ``service``, ``pool``: others than the real ones, for tests.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        service: InspectionService | None = None,
        pool: Pool | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(settings)
        #: Seconds of this host's clock that never goes back.
        self.monotonic = monotonic
        self._service = service
        self._client: InspectorClient | None = None
        self._pool = pool or Threads(settings.discoverd.max_parallel_requests)
        self._lock = threading.Lock()
        self._busy: set[str] = set()
        self._due: dict[str, float] = {}
        self._availability = availability.ANSWERS
        self._stopped = False
        #: Whether the service answered the last question for all records.
        self.lists = False

    # -- the process ---------------------------------------------------------

    def start(self) -> None:
        """Begin to run; nothing of it where inspection is disabled.

        Errors: ConfigurationError when the service can't be used as it is
        configured. A service that does not answer is waited for later.
        """
        wanted = self.settings.discoverd
        if not wanted.enabled:
            return
        if self._service is None:
            _check_options(wanted)
            self._client = self._service = _client(wanted)
            self._look(wanted)
        self._pool.start()

    def stop(self) -> None:
        """End, within three seconds."""
        with self._lock:
            self._stopped = True
            self._due.clear()
        self._pool.stop()
        if self._client is not None:
            self._client.close()

    def reload(self, settings: Settings) -> None:
        """Options changed; only the period of polls can."""
        self.settings = settings

    def _look(self, wanted: DiscoverdSettings) -> None:
        """Whether the service is there and will do. Errors: as ``start``."""
        patience = min(wanted.request_timeout, _PATIENT_START)
        hurried = _client(replace(wanted, request_timeout=patience))
        silence: NoAnswer | None = None
        try:
            hurried.check()
        except NoAnswer as error:
            silence = error
        except TooOld as error:
            raise ConfigurationError(
                f"[discoverd]service_url: {error} Upgrade the service, or set "
                "[discoverd]enabled to false."
            ) from error
        finally:
            hurried.close()
        if silence is not None:
            self.unheard(silence)

    # -- the service ---------------------------------------------------------

    @property
    def service(self) -> InspectionService:
        """Whom to ask. Errors: NoAnswer before ``start``, or disabled."""
        if self._service is None:
            raise NoAnswer(
                "The client of the inspection service does not run; set "
                "[discoverd]enabled.",
                "unreachable",
                may_have_begun=False,
            )
        return self._service

    def may_poll(self) -> bool:
        """False while the service is left alone, since it does not answer."""
        return self._availability.admits(self.monotonic())

    def seconds_to_wait(self) -> float:
        """Until polls ask again; 0 while the service answers."""
        return self._availability.pause(self.monotonic())

    def heard(self) -> None:
        """A question was answered."""
        if self._availability.trouble is None:
            return
        with self._lock:
            before = self._availability
            self._availability = before.answered()
        said = availability.all_clear(
            before, self._where, now=self.monotonic()
        )
        if said is not None:
            LOG.info("%s", said)

    def unheard(self, error: NoAnswer, waiting: int | None = None) -> None:
        """A question was not answered. ``waiting``: nodes that wait for it."""
        now = self.monotonic()
        period = self.settings.discoverd.status_check_period
        with self._lock:
            before = self._availability
            after = self._availability = before.failed(
                error.trouble,
                now,
                period if period > 0 else _USUAL_PERIOD,
                random.random(),  # noqa: S311
            )
        said = availability.warning(before, after, str(error), waiting, now)
        if said is not None:
            LOG.warning("%s", said)

    @property
    def _where(self) -> str:
        return shown_url(self.settings.discoverd.service_url or "")

    # -- work on nodes -------------------------------------------------------

    def begin(self, uuid: str, work: Work, urgent: bool = False) -> bool:
        """Run this for a node in the pool.

        False, and nothing happens, while other work for the node waits or
        runs. ``urgent``: before all that is not. An error of the work is
        logged and ends nothing else.
        """
        with self._lock:
            if self._stopped or uuid in self._busy:
                return False
            self._busy.add(uuid)
        self._pool.put(lambda: self._run(uuid, work), urgent)
        return True

    def _run(self, uuid: str, work: Work) -> None:
        try:
            work()
        except Exception:
            LOG.exception("Inspection of node %s hit a fault.", uuid)
        finally:
            with self._lock:
                self._busy.discard(uuid)

    def mark_due(self, uuid: str, after: float = 0.0) -> None:
        """Look at this node in so many seconds; the earlier mark counts."""
        at = self.monotonic() + after
        with self._lock:
            if not self._stopped:
                self._due[uuid] = min(at, self._due.get(uuid, at))

    def take_due(self) -> Sequence[str]:
        """The nodes whose time has come; they are marked no more.

        One that is being worked on stays marked until that has ended.
        """
        if not self._due:
            return ()
        now = self.monotonic()
        with self._lock:
            ready = [
                uuid
                for uuid, at in self._due.items()
                if at <= now and uuid not in self._busy
            ]
            for uuid in ready:
                del self._due[uuid]
        return ready

    # -- figures -------------------------------------------------------------

    def figures(self) -> Iterable[Figure]:
        """What the metrics show; nothing where inspection is disabled."""
        if self._service is None:
            return ()
        with self._lock:
            trouble = self._availability.trouble
            busy, due = len(self._busy), len(self._due)
        tally = None if self._client is None else self._client.tally
        return all_figures(tally, trouble is not None, busy, due)


def _check_options(wanted: DiscoverdSettings) -> None:
    """What ``conf`` lets through. Errors: ConfigurationError."""
    if wanted.service_url is None:
        raise ConfigurationError(
            "[discoverd]service_url: is missing, while [discoverd]enabled is "
            "true; write where the inspection service answers, such as "
            "http://127.0.0.1:5050/v1."
        )
    for name in ("cafile", "certfile", "keyfile"):
        path = getattr(wanted, name)
        if path is not None and not os.access(path, os.R_OK):
            raise ConfigurationError(
                f"[discoverd]{name}: {path} can't be read."
            )


def _client(wanted: DiscoverdSettings) -> InspectorClient:
    """Errors: ConfigurationError when the library is missing."""
    from baremetal_backend.drivers.discoverd.client import InspectorClient

    try:
        return InspectorClient(wanted)
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"[discoverd]enabled: {error}; run "
            "pip install 'nova-ironic-partition[inspection]', or set it to "
            "false."
        ) from error


__all__ = ["InspectionEquipment"]
