# SPDX-License-Identifier: Apache-2.0
"""What a crew starts, it stops: whatever the process or its parent does."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import running, warden
from lab.processes import CHECKOUT, Crew, ProcessFailed
from lab.waiting import wait_for

# A child in a session of its own is what a daemon does to get away.
RUNAWAY = (
    "import subprocess, sys, time, signal;"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "child = subprocess.Popen([sys.executable, '-c',"
    " 'import time; time.sleep(600)'], start_new_session=True);"
    "print('child', child.pid, flush=True);"
    "time.sleep(600)"
)


@pytest.fixture
def crew(tmp_path: Path) -> Iterator[Crew]:
    crew = Crew(tmp_path)
    yield crew
    crew.stop()


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2]
    except OSError:
        return False
    return not state.startswith(("Z", "X"))


def test_stopping_reaches_a_child_that_left_its_session(crew: Crew) -> None:
    process = crew.process("runaway", python(RUNAWAY), ready=lambda: True)
    process.start()
    wait_for(lambda: "child" in process.log_text(), 10, "child")
    child = int(process.log_text().split()[1])
    assert alive(child)
    running.end(crew.run, grace=0.2)
    assert not alive(child)
    wait_for(lambda: not process.is_running, 5, "end")


def test_a_process_of_somebody_else_is_not_ours(crew: Crew) -> None:
    other = subprocess.Popen(python("import time; time.sleep(600)"))
    try:
        assert other.pid not in {p.pid for p in running.processes_of(crew.run)}
        assert os.getpid() not in {
            p.pid for p in running.processes_of(crew.run)
        }
        crew.stop()
        assert other.poll() is None
    finally:
        other.kill()
        other.wait(10)


def test_a_service_that_ends_is_reported_with_its_last_words(
    crew: Crew,
) -> None:
    process = crew.process(
        "sad", python("raise SystemExit('no socket')"), ready=lambda: False
    )
    process.start()
    with pytest.raises(ProcessFailed, match="no socket"):
        process.wait_ready(20)


def test_a_process_can_be_killed_and_started_again(crew: Crew) -> None:
    process = crew.process(
        "again", python("import time; time.sleep(600)"), ready=lambda: True
    )
    process.start()
    first = process.pid
    process.kill()
    assert process.exit_status == -signal.SIGKILL
    process.start()
    assert process.is_running
    assert process.pid != first


def test_a_command_that_fails_says_so(crew: Crew) -> None:
    with pytest.raises(ProcessFailed) as caught:
        crew.command("cmd", python("print('why'); raise SystemExit(3)"))
    assert caught.value.status == 3
    assert "why" in str(caught.value)


def test_a_stopped_crew_starts_nothing_more(crew: Crew) -> None:
    crew.stop()
    with pytest.raises(RuntimeError, match="too late"):
        crew.process("late", ["true"], ready=lambda: True)


def test_the_warden_stops_what_a_killed_parent_left(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        python(
            "import sys, time; from pathlib import Path;"
            "from lab.processes import Crew;"
            f"crew = Crew(Path({str(tmp_path)!r}));"
            "p = crew.process('s', [sys.executable, '-c',"
            " 'import time; time.sleep(600)'], ready=lambda: True);"
            "p.start(); print(p.pid, flush=True); time.sleep(600)"
        ),
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        text=True,
    )
    with parent:
        assert parent.stdout is not None
        service = int(parent.stdout.readline())
        assert alive(service)
        parent.kill()
    wait_for(lambda: not alive(service), 20, "end of the service")


def test_a_run_that_was_left_running_is_stopped_by_its_directory(
    tmp_path: Path,
) -> None:
    crew = Crew(tmp_path)
    process = crew.process(
        "kept", python("import time; time.sleep(600)"), ready=lambda: True
    )
    process.start()
    crew.leave_running()
    crew.stop()
    assert process.is_running
    assert warden.stop(tmp_path) == 1
    wait_for(lambda: not process.is_running, 10, "end")


def test_a_directory_without_a_lab_is_refused(tmp_path: Path) -> None:
    with pytest.raises(running.NotALab, match=str(tmp_path)):
        warden.stop(tmp_path)
