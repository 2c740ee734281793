import errno
import signal
import subprocess
import sys
import time

import psutil
import pytest

from fmnist_keras import safety

MAKE = """
import pathlib, time
from fmnist_keras import safety
print(safety.hidden_folder(pathlib.Path({final!r}), "job"), flush=True)
time.sleep(60)
"""


def writer(final):
    """A process that has a hidden folder beside `final`, and that folder's name."""
    code = MAKE.format(final=str(final))
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    return process, process.stdout.readline().rpartition("/")[2].strip()


def test_only_what_dead_processes_left_is_cleared_away(tmp_path):
    final = tmp_path / "model_1" / "seed_0"
    (live, lives), (dead, died) = writer(final), writer(final)
    try:
        dead.kill()
        dead.wait()
        (final.parent / ".seed_0.job-unborn").mkdir()  # made by a process that has not locked it yet
        mine = safety.hidden_folder(final, "job")
        names = {path.name for path in final.parent.iterdir()}
        assert names == {lives, mine.name, ".seed_0.job-unborn"}
        assert died not in names
    finally:
        live.kill()
        live.wait()


SLEEP = """
import os, time
from fmnist_keras import safety
safety.end_cleanly({parent})
print('ready', flush=True)
time.sleep(60)
"""


@pytest.fixture
def child():
    """A process whose shell has ended, told to end with this parent; killed at the end of the test."""
    started = []

    def start(parent, prefix=""):
        code = SLEEP.format(parent=parent)
        shell = f'{prefix} "{sys.executable}" -c "{code}" & echo $!; read line'
        bash = subprocess.Popen(
            ["bash", "-c", shell], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        started.append(psutil.Process(int(bash.stdout.readline())))
        assert bash.stdout.readline() == "ready\n"
        bash.kill()
        bash.wait()
        return started[-1]

    yield start
    for process in started:
        if process.is_running():
            process.kill()


def ended(process, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize("prefix", ["", "nohup", "setsid"])
def test_a_process_started_by_hand_outlives_its_shell(child, prefix):
    assert not ended(child("None", prefix), 2)


def test_a_job_ends_with_its_engine(child):
    assert ended(child("os.getppid()"), 10)


CUT_OFF = """
import asyncio, os, signal
from fmnist_keras import safety

async def fail():
    raise RuntimeError("Kernel died")

safety.end_cleanly()
loop = asyncio.new_event_loop()
task = loop.create_task(fail())
loop.call_later(0.1, os.kill, os.getpid(), signal.SIGTERM)
try:
    loop.run_forever()
finally:
    del task  # nobody asks how it ended
"""


def test_what_is_cut_off_prints_no_traceback():
    result = subprocess.run([sys.executable, "-c", CUT_OFF], capture_output=True, text=True)
    assert result.returncode == 128 + signal.SIGTERM
    assert result.stderr == ""


def test_a_full_disk_is_recognised_as_an_error_and_as_text():
    error = OSError(errno.ENOSPC, "No space left on device", "/somewhere/file")
    assert "no space was left for /somewhere/file" in safety.disk_full(error)
    assert "the disk is full" in safety.disk_full("[Errno 28] No space left on device")
    assert safety.disk_full(OSError(errno.ENOENT, "No such file")) is None
