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
import time

from . import terminal

RUN = r"\S+ (?P<run>\S+ seed \d+)"  # the suite, which all lines share, goes
STARTS = re.compile(f"{RUN}  starts$")
EPOCH = re.compile(f"{RUN}  epoch (?P<done>\\d+)/(?P<epochs>\\d+)  (?P<figures>.*)")
ENDS = re.compile(f"(error: )?{RUN}(  done in |: )")
PLAN = re.compile("; to run: (.+)$")  # of plan.describe
CHATTER = re.compile(
    r"Assuming |Building DAG|Using shell|Select jobs|Execute \d|Touching output|Complete log|Elapsed time|"
    r"Nothing to be done|Using workflow specific profile|Exiting because|WorkflowError:\nAt least one job"
)
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
    import psutil
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

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

    def pause(number, frame):
        """Stop all at Ctrl-Z until `fg`: a kernel has a session, and hears no terminal."""
        paused = psutil.Process().children(recursive=True)
        for process in paused:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)  # which stops nothing if no shell could continue it
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, pause)
        for process in paused:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()

    for number in SIGNALS:
        signal.signal(number, pass_on)
    signal.signal(signal.SIGTSTP, pause)
    console, board = Console(highlight=False, markup=False, emoji=False), Board()
    with Live(console=console, transient=True, auto_refresh=False) as live:
        for line in engine.stdout:
            kept = parse_line(line.rstrip("\n"), board)
            if kept or not line.strip():
                console.print(kept, soft_wrap=True)
            live.update(Text(str(board), no_wrap=True, overflow="ellipsis"), refresh=True)
    status = engine.wait()
    return status if status >= 0 else 128 - status


class Board:
    """The runs of a suite, from what Snakemake and the runs print: which wait, train and are done.

    Attributes:
        lines: dict of a running model to what its line shows.
        waiting: names of the runs that have not begun.
        took: seconds that each finished run took.
    """

    def __init__(self):
        self.lines, self.waiting, self.took = {}, [], []
        self.began, self.pace = {}, {}  # a running model's start; its first epoch's end, and its last one's

    def left(self):
        """Seconds until all have run, if each trains as long as it may: about, or None."""
        now = time.monotonic()
        left = {
            run: max(0, (last - first) / (done - since) * (epochs - done) - (now - last))
            for run, (first, since, last, done, epochs) in self.pace.items()
            if done > since
        }
        known = self.took + [now - self.began[run] + more for run, more in left.items()]
        if not known:
            return None
        whole = sum(known) / len(known)
        unknown = whole * (len(self.waiting) + len(self.began) - len(left))
        return max([*left.values(), (sum(left.values()) + unknown) / max(1, len(self.began))])

    def __str__(self):
        width = max(map(len, self.lines), default=0)
        rows = [f"{run:{width}}  {shown}" for run, shown in self.lines.items()]
        if self.lines and (len(self.waiting) + len(self.lines) + len(self.took)) > 1:
            counts = f"{len(self.took)} done, {len(self.lines)} training, {len(self.waiting)} waiting"
            left = self.left()
            rows.append(counts + (f"; about {duration(left)} left for all" if left is not None else ""))
        return "\n".join(rows)


def duration(seconds):
    """Text of seconds, as 1:05 or 2:01:05."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def parse_line(line, board):
    """Parse a line: a model's progress updates `board` and returns "", as chatter does; others are returned.

    Args:
        line: what Snakemake or a model printed.
        board: a `Board`.
    """
    if match := STARTS.match(line):
        run = match["run"]
        board.lines[run], board.began[run] = "starts", time.monotonic()
        board.waiting = [other for other in board.waiting if other != run]
    elif match := EPOCH.match(line):
        _take_epoch(match, board)
    else:
        if match := PLAN.search(line):
            board.waiting = match[1].split(", ")
        elif (match := ENDS.match(line)) and board.lines.pop(match["run"], None):
            board.took.append(time.monotonic() - board.began.pop(match["run"]))
            board.pace.pop(match["run"], None)
        return "" if CHATTER.match(line) else line
    return ""


def _take_epoch(match, board):
    run, done, epochs, now = match["run"], int(match["done"]), int(match["epochs"]), time.monotonic()
    first, since, *_ = board.pace.get(run, (now, done))
    board.pace[run] = first, since, now, done, epochs
    board.began.setdefault(run, now)
    filled = round(BAR * done / epochs)
    bar = "━" * filled + "╌" * (BAR - filled)
    figures = dict(re.findall(r"(\w+) (\S+)", match["figures"]))
    left = re.search(r"\S+ left", match["figures"])
    of = f"{done:{len(match['epochs'])}}/{epochs}"
    text = f"{bar}  {of}  loss {figures['loss']}  best val_loss {figures['best']}"
    board.lines[run] = text + (f"  {left[0]}" if left else "")


def hide_chatter(when_done):
    """Keep from Snakemake's log, in its own process, what says nothing of a suite's runs, or says it again.

    Told to end, Snakemake says with each run that finishes that it waits for the others.

    Args:
        when_done: is called when there is nothing to be done. Snakemake says so only if it would run jobs,
            and not if it prints a graph for a program to read, as with `--dag`.
    """
    from snakemake.logging import logger

    last = None

    def is_news(record):
        nonlocal last
        before, last = last, record.getMessage()
        if last.startswith("Nothing to be done"):
            when_done()
        return last != before and not CHATTER.match(last)

    logger.addFilter(is_news)


def _end_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
