"""The running models on a real pseudo-terminal, and plain lines where there is none."""

import fcntl
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import sys
import termios

import psutil
import pytest
from processes import alive, wait

FOLLOW = (
    "import sys; from fmnist_keras.workflow import progress as p; sys.exit(p.show_progress(sys.argv[1:]))"
)
LINES = """
Using workflow specific profile profiles/default for setting default command line arguments.
Error in rule run:
sample model_1 seed 0  starts
sample model_2 seed 0  starts
sample model_1 seed 0  epoch 1/8  loss 0.0500  val_loss 0.0400  best 0.0400
sample model_2 seed 0  epoch 1/8  loss 0.2500  val_loss 0.2400  accuracy 0.5  val_accuracy 0.5  best 0.2400
sample model_1 seed 0  epoch 2/8  loss 0.0450  val_loss 0.0410  best 0.0400
""".strip()
READY = r"process (\d+)\r"  # what the stand-in prints last
SLEEP = "import time\nprint('kernel', flush=True)\ntime.sleep(60)"
DONE = "sample model_1 seed 0  done in 30 s: epoch 8 of 8, val loss 0.0493"
FAILED = "error: sample model_2 seed 0: on purpose"


def screen(output):
    """What a terminal shows after this output: its rows. It knows what rich sends for lines in place."""
    rows, row = [""], 0
    for piece in re.findall(r"\x1b\[[?\d;]*[A-Za-z]|[\r\n]|[^\x1b\r\n]+", output):
        if piece == "\n":
            row += 1
            rows += [""] * (row == len(rows))
        elif piece == "\x1b[1A":
            row -= 1
        elif piece == "\x1b[2K":
            rows[row] = ""
        elif piece != "\r" and not piece.startswith("\x1b"):
            rows[row] += piece
    return [shown.rstrip() for shown in rows if shown.strip()]


class Terminal:
    """A command on a pseudo-terminal of so many columns."""

    def __init__(self, *command, columns=80, cwd=None):
        self.end, side = pty.openpty()
        fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        own = ("REPORTS_DIR", "PYTHONPATH", "COLUMNS", "LINES")
        clean = {k: v for k, v in os.environ.items() if k not in own}
        clean |= {"TERM": "xterm"}
        pipes = {"stdout": side, "stderr": side}
        self.process = subprocess.Popen(command, **pipes, env=clean, cwd=cwd, process_group=0)  # as a shell
        os.close(side)
        self.output = ""

    def read(self, until=None):
        """The rows once `until`, a pattern, is in the output, or at its end."""
        while until is None or not re.search(until, self.output):
            try:
                self.output += os.read(self.end, 65_536).decode()
            except OSError:  # the other side is closed
                os.close(self.end)
                break
        return screen(self.output)


def stand_in(then="", columns=80):
    """`show_progress` on a stand-in for Snakemake that prints its lines and its id, and then runs `then`."""
    script = f"import os, sys, time\nprint({LINES!r})\nprint('process', os.getpid(), flush=True)\n{then}"
    return Terminal(sys.executable, "-c", FOLLOW, sys.executable, "-c", script, columns=columns)


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_running_model_keeps_one_line(columns):
    """A line that is too long is cut, not wrapped."""
    terminal = stand_in("time.sleep(60)", columns)
    rows = terminal.read(until=READY + r"[\s\S]*model_2")  # the lines are drawn again below it
    terminal.process.send_signal(signal.SIGTERM)
    terminal.read()
    first, second = [" ".join(row.split()) for row in rows if row.startswith("model_")]
    assert max(map(len, rows)) <= columns
    if columns >= 80:
        assert (first[:14], second[:14]) == ("model_1 seed 0", "model_2 seed 0")
        assert "2/8 loss 0.0450 best val_loss 0.0400 " in first
        assert "1/8 loss 0.2500 best val_loss 0.2400 " in second


def test_ended_run_leaves_one_line():
    terminal = stand_in(f"print({DONE!r})\nprint({FAILED!r}, file=sys.stderr)\nsys.exit(3)")
    rows = terminal.read()
    assert rows[0] == "Error in rule run:"  # the profile's line, before it, says nothing of a run
    assert rows[1].startswith("process ")
    assert sorted(rows[2:]) == sorted([DONE, FAILED])  # of two pipes, in either order
    assert terminal.process.wait() == 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_engine_ends_with_the_display(number):
    terminal = stand_in("time.sleep(600)")
    terminal.read(until=READY)
    pid = int(re.search(READY, terminal.output)[1])
    running = psutil.Process(pid)
    terminal.process.send_signal(number)
    assert terminal.process.wait(10) not in (0, None)
    wait(lambda: not alive([running]), 10, lambda: f"{running} has not ended")


def test_ctrl_z_pauses_kernels_too():
    """A kernel has a session of its own."""
    kernel = (
        f"import subprocess\nsubprocess.run([{sys.executable!r}, '-c', {SLEEP!r}], start_new_session=True)"
    )
    terminal = stand_in(kernel)
    terminal.read(until="kernel")
    started = psutil.Process(terminal.process.pid)
    both = [started, *started.children(recursive=True)]

    def states():
        return {process.status() == psutil.STATUS_STOPPED for process in both}

    terminal.process.send_signal(signal.SIGTSTP)
    wait(lambda: states() == {True}, 10, lambda: f"{both} have not stopped")
    terminal.process.send_signal(signal.SIGCONT)
    wait(lambda: states() == {False}, 10, lambda: f"{both} have not continued")
    for process in both[::-1]:
        process.kill()
    assert len(both) == 3
    assert terminal.process.wait(10) != 0


def test_plain_lines_without_a_terminal():
    command = [sys.executable, "-m", "fmnist_keras.workflow.progress"]
    version = subprocess.run([*command, "--version"], capture_output=True, text=True)
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", version.stdout)
    assert subprocess.run([*command, "--no-such"], capture_output=True).returncode == 2


def test_ctrl_c_during_import_is_silent(tmp_path):
    (tmp_path / "snakemake").mkdir()
    (tmp_path / "snakemake" / "__init__.py").touch()
    slow = "import time\nprint('importing', flush=True)\ntime.sleep(60)\n"
    (tmp_path / "snakemake" / "__main__.py").write_text(slow)
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    both = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    command = [sys.executable, "-m", "fmnist_keras.workflow.progress"]
    with subprocess.Popen(command, env=os.environ | {"PYTHONPATH": path}, **both) as process:
        assert process.stdout.readline() == "importing\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == -signal.SIGINT
        assert process.stdout.read() == ""


def test_engine_on_a_terminal(quick):
    """The one model and the seed that are asked for, as `make` asks."""
    suites = quick / "params" / "suites"
    shutil.copy(suites / "sample.yaml", suites / "live.yaml")  # other tests count the runs of `sample`
    terminal = Terminal(
        *(sys.executable, "-m", "fmnist_keras.workflow.progress", "--cores", "2"),
        *("--config", "suite=live", "models=model_3", "seeds=5"),
        cwd=quick,
    )
    rows = terminal.read()
    assert terminal.process.wait() == 0
    plain = re.sub(r"\x1b\[[\d;]*m", "", terminal.output)
    assert re.search(r"model_3 seed 5 ━+ 1/1 +loss 0\.", plain)
    assert sum("model_3 seed 5  done in" in row for row in rows) == 1
    assert not [row for row in rows if "━" in row or "starts" in row]
    made = (quick / "reports" / "live").glob("*/seed_*/metrics.json")
    assert [path.parts[-3:-1] for path in made] == [("model_3", "seed_5")]
