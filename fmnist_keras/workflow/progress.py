"""`python -m fmnist_keras.workflow.progress ARGUMENTS`: Snakemake, a line for each running model.

On a terminal a running model has one line, kept in place, and one that stays when it is done; whatever else
Snakemake says passes above. Elsewhere Snakemake runs in this process, and its plain lines stay.
"""

import contextlib
import ctypes
import os
import re
import runpy
import signal
import subprocess
import sys

from ..internals import terminal

RUN = r"\S+ (?P<run>\S+ seed \d+)"  # the suite, which all lines share, goes
STARTS = re.compile(f"{RUN}  starts$")
EPOCH = re.compile(f"{RUN}  epoch (?P<done>\\d+)/(?P<epochs>\\d+)  (?P<figures>.*)")
ENDS = re.compile(f"(error: )?{RUN}(  done in |: )")
BAR = 8  # characters: with it a line of numbers fits in 80
PR_SET_PDEATHSIG = 1  # linux/prctl.h
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(arguments):
    """Run Snakemake; the exit status is Snakemake's."""
    if sys.stdout.isatty():
        return show_progress(
            [sys.executable, "-m", "fmnist_keras.workflow.progress", *arguments]
        )  # which is on a pipe
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:  # nohup means it
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # no import's traceback; the Snakefile takes it later
    sys.argv = ["snakemake", *arguments]
    return runpy.run_module("snakemake", run_name="__main__", alter_sys=True)


def show_progress(command):
    """Run a command and show its lines as they come, see `parse_line`; its exit status.

    The command has a process group of its own, which is sent each signal that this process gets: Ctrl-C
    ends all of it. Where this process is killed outright, Linux tells the command to end.
    """
    from rich.console import Console
    from rich.live import Live

    terminal.fall_back_to_plain_characters()
    engine = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},  # this process's own terminal may have another
        process_group=0,
        preexec_fn=_end_with_parent if sys.platform == "linux" else None,
    )

    def pass_on(number, frame):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(engine.pid, number)

    for number in SIGNALS:
        signal.signal(number, pass_on)
    console, board = Console(highlight=False, markup=False, emoji=False), {}
    with Live(console=console, transient=True, auto_refresh=False) as live:
        for line in engine.stdout:
            if kept := parse_line(line.rstrip(), board):
                console.print(kept, soft_wrap=True)
            live.update(_lines(board), refresh=True)
    status = engine.wait()
    return status if status >= 0 else 128 - status


def parse_line(line, board):
    """Parse a line: a model's progress updates `board` and returns ""; any other line is returned.

    Args:
        line: what Snakemake or a model printed.
        board: dict of a running model to what its line shows.
    """
    if match := STARTS.match(line):
        board[match["run"]] = "starts"
    elif match := EPOCH.match(line):
        done, epochs = int(match["done"]), int(match["epochs"])
        filled = round(BAR * done / epochs)
        bar = "━" * filled + "╌" * (BAR - filled)
        of = f"{done:{len(match['epochs'])}}/{epochs}"
        figures = dict(re.findall(r"(\w+) (\S+)", match["figures"]))
        left = re.search(r"\S+ left", match["figures"])
        text = f"{bar}  {of}  loss {figures['loss']}  best val_loss {figures['best']}"
        board[match["run"]] = text + (f"  {left[0]}" if left else "")
    else:
        if match := ENDS.match(line):
            board.pop(match["run"], None)
        return line
    return ""


def _lines(board):
    from rich.text import Text

    width = max(map(len, board), default=0)
    lines = [f"{run:{width}}  {shown}" for run, shown in board.items()]
    return Text("\n".join(lines), no_wrap=True, overflow="ellipsis")


def _end_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
