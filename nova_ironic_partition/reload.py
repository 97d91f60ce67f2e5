# SPDX-License-Identifier: Apache-2.0
"""SIGHUP for a nova-compute that runs on native threads.

There oslo.service answers SIGHUP by leaving the main thread: nothing is
reloaded, and the handlers of SIGTERM are gone, so that the next stop is not
graceful. :func:`serve_sighup` replaces that handler only. The signal handler
just wakes a thread; the thread re-reads the configuration files and then does
what nova's own reset does.

Under eventlet oslo.service reloads by itself; use nothing of this then.
"""

from __future__ import annotations

import queue
import signal
import threading
from collections.abc import Callable
from typing import Any

from oslo_config import cfg
from oslo_log import log as logging

LOG = logging.getLogger(__name__)

#: The thread that waits for SIGHUP.
THREAD_NAME = "sighup-reload"


def serve_sighup(conf: cfg.ConfigOpts, reset: Callable[[], None]) -> None:
    """From now on, SIGHUP reloads the configuration of this process.

    Must be called in the main thread, after oslo.service installed its own
    handlers. The thread ends with the process.

    :param conf: mutated; its mutate hooks run in the reloading thread.
    :param reset: called after each successful reload.
    """
    # SimpleQueue.put is the one hand-over that is safe in a signal handler,
    # which may interrupt the main thread anywhere, even in another put.
    wakeups: queue.SimpleQueue[None] = queue.SimpleQueue()

    def wake(signum: int, frame: Any) -> None:
        wakeups.put(None)

    def work() -> None:
        while True:
            wakeups.get()
            reload_configuration(conf, reset)

    threading.Thread(target=work, name=THREAD_NAME, daemon=True).start()
    signal.signal(signal.SIGHUP, wake)


def reload_configuration(
    conf: cfg.ConfigOpts, reset: Callable[[], None]
) -> bool:
    """Re-read the configuration files; never raises.

    :returns: whether they could be read. If not, nothing was changed.
    """
    LOG.info("SIGHUP: reloading the configuration files.")
    failure: Exception | None = None
    try:
        conf.mutate_config_files()
    except (cfg.Error, OSError, ValueError) as exc:
        # Logged below: in here oslo.log would add the text once more.
        failure = exc
    except Exception:
        LOG.exception("The configuration was not reloaded.")
        return False
    if failure is not None:
        LOG.error(
            "The configuration was not reloaded, everything stays in force "
            "as it was: %s. Make the file readable and correct, then send "
            "SIGHUP again.",
            str(failure).rstrip("."),
        )
        return False
    try:
        reset()
    except Exception:
        LOG.exception("The reset after a reload failed.")
    return True
