# SPDX-License-Identifier: Apache-2.0
"""Start processes below one state directory, and stop all of them again.

A crew owns the processes of one lab: each in a session of its own (a
Ctrl-C in the terminal reaches none of them), each with a log file, each
with the mark of the run in its environment (see lab.running). The crew
stops them on request, at exit, and, should its own process be killed,
through the warden. Knows nothing of what the processes are for.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab import running
from lab.ports import LOOPBACK
from lab.waiting import TimedOut, wait_for

CHECKOUT = Path(__file__).resolve().parent.parent

_TAIL = 2500


class ProcessFailed(Exception):
    """A process ended that should run, or a command returned an error."""

    def __init__(self, name: str, status: int, log: Path) -> None:
        self.name = name
        self.status = status
        self.log = log
        text = _read_tail(log)
        super().__init__(f"{name} ended with {status}; {log}:\n{text}")


def _read_tail(log: Path) -> str:
    return log.read_text(errors="replace")[-_TAIL:]


@dataclass(frozen=True)
class Invocation:
    """How a program is called.

    :param run: value of the mark in its environment
    """

    name: str
    run: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    directory: Path
    log: Path


class Process:
    """One service: started, signalled and stopped; restartable."""

    def __init__(
        self,
        invocation: Invocation,
        ready: Callable[[], bool],
        before_start: Callable[[], None],
    ) -> None:
        self.name = invocation.name
        self.log = invocation.log
        self._invocation = invocation
        self._ready = ready
        self._before_start = before_start
        self._popen: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The pid of the last start.

        :raises RuntimeError: it was never started
        """
        return self._started().pid

    @property
    def is_running(self) -> bool:
        """Whether the last started process is alive."""
        return self._popen is not None and self._popen.poll() is None

    @property
    def exit_status(self) -> int | None:
        """Status of the last started process; None while it runs."""
        return self._started().poll()

    def start(self) -> None:
        """Start without waiting for readiness.

        :raises RuntimeError: it runs already
        """
        if self.is_running:
            raise RuntimeError(f"{self.name} runs already")
        self._before_start()
        with self.log.open("ab") as log:
            self._popen = subprocess.Popen(
                self._invocation.argv,
                env=self._invocation.env,
                cwd=self._invocation.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_ready(self, seconds: float = 60.0) -> None:
        """Wait until the service says that it serves.

        :raises ProcessFailed: it ended instead
        :raises TimedOut: it runs, but is not ready in time
        """

        def ready() -> bool:
            status = self._started().poll()
            if status is not None:
                raise ProcessFailed(self.name, status, self.log)
            return self._ready()

        wait_for(ready, seconds, f"answer of {self.name}")

    def wait_ended(self, seconds: float) -> int:
        """Wait for the end of the process, and return its status.

        :raises TimedOut: it still runs
        """
        wait_for(
            lambda: not self.is_running,
            seconds,
            f"end of {self.name}",
            every=0.1,
        )
        return self._started().wait()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process itself, not to its children.

        :raises RuntimeError: it does not run
        """
        if not self.is_running:
            raise RuntimeError(f"{self.name} does not run")
        self._started().send_signal(number)

    def kill(self) -> None:
        """End it and all of its process group with SIGKILL."""
        if self.is_running:
            # Not reaped yet, so that the number is its own still.
            os.killpg(self.pid, signal.SIGKILL)
            self.wait_ended(10)
        running.kill_group(self._invocation.run, self.pid)

    def stop(self, grace: float = 10.0) -> None:
        """SIGTERM; SIGKILL to its group when the grace period is over."""
        if self.is_running:
            self.signal(signal.SIGTERM)
            with contextlib.suppress(TimedOut):
                self.wait_ended(grace)
        self.kill()

    def reap(self) -> None:
        """Take note of its end, if it ended: it would stay a zombie."""
        if self._popen is not None:
            self._popen.poll()

    def log_text(self) -> str:
        """All that it has written, over all of its starts."""
        return self.log.read_text(errors="replace")

    def _started(self) -> subprocess.Popen[bytes]:
        if self._popen is None:
            raise RuntimeError(f"{self.name} was never started")
        return self._popen


class Command:
    """A program that was started and ends by itself."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def finish(self, seconds: float = 300.0) -> None:
        """Wait for its end.

        :raises ProcessFailed: its status was not 0
        :raises TimedOut: too slow
        """
        status = self._process.wait_ended(seconds)
        if status:
            raise ProcessFailed(self._process.name, status, self._process.log)


class Crew:
    """All processes of one state directory; owned by the main thread."""

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir
        self._processes: list[Process] = []
        self._stopping = False
        self._logs = state_dir / "log"
        self._logs.mkdir(parents=True, exist_ok=True)
        self.run = running.record(state_dir)
        self._warden = self._start_warden()
        atexit.register(self.stop)

    def process(
        self,
        name: str,
        argv: Sequence[str],
        ready: Callable[[], bool],
        env: Mapping[str, str] | None = None,
        before_start: Callable[[], None] = lambda: None,
    ) -> Process:
        """Declare a service; it is not started yet.

        :param name: also the name of its log file
        :param ready: cheap check, called until it is true
        :param env: additions to the environment
        :param before_start: called right before each start
        :raises RuntimeError: the crew was stopped
        """
        if self._stopping:
            raise RuntimeError(f"too late for {name}: the lab is stopping")
        process = Process(
            Invocation(
                name=name,
                run=self.run,
                argv=tuple(argv),
                env=self._environment(env),
                directory=self.state_dir,
                log=self._logs / f"{name}.log",
            ),
            ready,
            before_start,
        )
        self._processes.append(process)
        return process

    def command(
        self,
        name: str,
        argv: Sequence[str],
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Run a command to its end.

        :raises ProcessFailed: its status was not 0
        :raises TimedOut: too slow
        """
        self.begin(name, argv, env).finish()

    def begin(
        self,
        name: str,
        argv: Sequence[str],
        env: Mapping[str, str] | None = None,
    ) -> Command:
        """Start a command, and let the caller say when to wait for it."""
        process = self.process(name, argv, ready=lambda: True, env=env)
        process.start()
        return Command(process)

    def stop(self) -> None:
        """Stop everything that was started, for good; idempotent."""
        if self._warden is None:
            return
        self._stopping = True
        with _interrupts_ignored():
            left = running.end(self.run)
            for process in self._processes:
                process.reap()
            self._dismiss_warden()
        if left:
            raise RuntimeError(f"cannot be stopped: {left}")

    def leave_running(self) -> None:
        """Give the processes up: neither exit nor death stops them."""
        self._dismiss_warden()

    def _environment(self, env: Mapping[str, str] | None) -> dict[str, str]:
        inherited = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("OS_", "PYTHON", "RABBITMQ_"))
        }
        return {
            **inherited,
            # No proxy knows what listens on this machine's loopback.
            "NO_PROXY": LOOPBACK,
            "no_proxy": LOOPBACK,
            "HOME": str(self.state_dir),
            "LC_ALL": "C.UTF-8",
            running.MARK: self.run,
            # Or setproctitle, which oslo.service's children use, would write
            # over the environment that carries the mark.
            "SPT_NOENV": "1",
            **(env or {}),
        }

    def _start_warden(self) -> subprocess.Popen[bytes] | None:
        return subprocess.Popen(
            [sys.executable, "-m", "lab.warden", str(self.state_dir)],
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _dismiss_warden(self) -> None:
        if self._warden is not None:
            self._warden.communicate(b"dismissed\n", timeout=10)
            self._warden = None


@contextlib.contextmanager
def _interrupts_ignored() -> Iterator[None]:
    before = {
        number: signal.signal(number, signal.SIG_IGN)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
