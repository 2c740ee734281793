"""How a process hears that it, or the engine that started it, is to end."""

import contextlib
import signal
import subprocess
import sys

import psutil
import pytest
from processes import alive

SLEEP = """
import os, time
from fmnist_keras.workflow import signals
signals.end_cleanly({parent})
print('ready', flush=True)
time.sleep(60)
"""


@pytest.fixture
def child():
    """A process whose shell has ended, told to end with this parent; killed at the end of the test."""
    started = []

    def start(parent):
        code = SLEEP.format(parent=parent)
        shell = f'"{sys.executable}" -c "{code}" & echo $!; read line'
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
    with contextlib.suppress(psutil.TimeoutExpired):
        process.wait(seconds)
    return not alive([process])


def test_process_started_by_hand_outlives_shell(child):
    assert not ended(child("None"), 1.5)  # a job asks twice a second


def test_job_ends_with_its_engine(child):
    assert ended(child("os.getppid()"), 10)


CUT_OFF = """
import asyncio, os, signal
from fmnist_keras.workflow import signals

async def fail():
    raise RuntimeError("Kernel died")

signals.end_cleanly()
loop = asyncio.new_event_loop()
task = loop.create_task(fail())
loop.call_later(0.1, os.kill, os.getpid(), signal.SIGTERM)
try:
    loop.run_forever()
finally:
    del task  # nobody asks how it ended
"""


def test_interruption_prints_no_traceback():
    result = subprocess.run([sys.executable, "-c", CUT_OFF], capture_output=True, text=True)
    assert result.returncode == 128 + signal.SIGTERM
    assert result.stderr == ""
