"""How a process learns that it, or the engine that started it, is to end."""

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


@pytest.mark.parametrize(("parent", "ends"), [("None", False), ("os.getppid()", True)])
def test_job_ends_with_its_engine(parent, ends):
    """A process that was started by hand outlives its shell."""
    shell = f'"{sys.executable}" -c "{SLEEP.format(parent=parent)}" & echo $!; read line'
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(["bash", "-c", shell], **pipes) as bash:
        child = psutil.Process(int(bash.stdout.readline()))
        try:
            assert bash.stdout.readline() == "ready\n"
            bash.kill()
            with contextlib.suppress(psutil.TimeoutExpired):
                child.wait(10 if ends else 1.5)  # a job looks twice a second
            assert (not alive([child])) == ends
        finally:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()


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
