"""`python -m fmnist_keras.workflow.progress ARGUMENTS`: Snakemake, a line for each running model.

On a terminal a running model has one line, kept in place, and one that stays when it is done; whatever else
Snakemake says passes above. Elsewhere Snakemake runs in this process, and its plain lines stay.
"""

import codecs
import contextlib
import ctypes
import io
import os
import re
import runpy
import signal
import subprocess
import sys
import tempfile
import unicodedata

RUN = r"\S+ (?P<run>\S+ seed \d+)"  # the suite, which all lines share, goes
TRAINS = re.compile(f"{RUN}  (starts$|epoch (?P<done>\\d+)/(?P<epochs>\\d+)  (?P<figures>.*))")
ENDS = re.compile(f"(error: )?{RUN}(  done in |: )")
PLAN = re.compile(r"; to run: (.+?)(?: and (\d+) more)?$")  # of plan.describe
CHATTER = re.compile(
    r"Assuming |Building DAG|Using shell|Select jobs|Execute \d|Touching output|Complete log|Elapsed time|"
    r"Nothing to be done|Using workflow specific profile|Exiting because|WorkflowError:\nAt least one job"
)
PLAIN = str.maketrans({"━": "=", "╌": "-", "–": "-", "✗": "x", "±": "+"})
PR_SET_PDEATHSIG = 1  # linux/prctl.h
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(arguments):
    """Run Snakemake; the exit status is Snakemake's."""
    if sys.stdout.isatty():
        return show_progress([sys.executable, "-m", __spec__.name, *arguments])  # which is on a pipe
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:  # nohup means it
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # no import's traceback; the Snakefile takes it later
    sys.argv = ["snakemake", *arguments]
    return runpy.run_module("snakemake", run_name="__main__", alter_sys=True)


def show_progress(command):
    """Run a command, show its lines as they come, see `Board`, and return its exit status.

    The command has a process group of its own, which is sent each signal that this process gets: Ctrl-C
    ends all of it. Where this process is killed outright, Linux tells the command to end.
    """
    from rich.console import Console

    def end_with_parent():
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

    fall_back_to_plain_characters()
    engine = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},  # this process's own terminal may have another
        process_group=0,
        preexec_fn=end_with_parent if sys.platform == "linux" else None,
    )
    _pass_signals(engine.pid)
    console = Console(highlight=False, markup=False, emoji=False)
    with _bars(console) as bars:
        board = Board(bars)
        for line in engine.stdout:
            kept = board.take(line.rstrip("\n"))
            if kept or not line.strip():
                console.print(kept, soft_wrap=True)
            bars.refresh()
    status = engine.wait()
    return status if status >= 0 else 128 - status


def _pass_signals(group):
    """Pass signals that end this process on to a process group, and pause it with this process."""
    import psutil

    def pass_on(number, frame):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, number)

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


def _bars(console):
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = [
        *(TextColumn("{task.description}", markup=False), BarColumn(8), MofNCompleteColumn()),
        *(TextColumn("{task.fields[figures]}", markup=False), TimeRemainingColumn(compact=True)),
    ]
    week = 604_800  # seconds: of epochs that may take long, all count for their pace
    return Progress(*columns, console=console, transient=True, auto_refresh=False, speed_estimate_period=week)


class Board:
    """Bars of a suite's running models, and one of all, from the lines that Snakemake and the runs print."""

    def __init__(self, bars):
        self.bars, self.running, self.all, self.done = bars, {}, None, 0

    def take(self, line):
        """Take a line: of a model's progress, or chatter, return ""; return any other."""
        trains = TRAINS.match(line)
        if trains:
            self._train(**trains.groupdict())
        elif self.all is None and (match := PLAN.search(line)):
            total = len(match[1].split(", ")) + int(match[2] or 0)
            self.all = self.bars.add_task("all", total=total, figures="", visible=total > 1)
        elif (match := ENDS.match(line)) and match["run"] in self.running:
            self.bars.remove_task(self.running.pop(match["run"]))
            self.done += 1
        if self.all is not None:
            trained = sum(task.percentage for task in self.bars.tasks if task.id in self.running.values())
            self.bars.update(self.all, completed=self.done + trained / 100)
        return "" if trains or CHATTER.match(line) else line

    def _train(self, run, done, epochs, figures):
        if run not in self.running:
            self.running[run] = self.bars.add_task(run, total=None, figures="starts")
        if epochs:
            figures = dict(re.findall(r"(\w+) (\S+)", figures))
            shown = f"loss {figures['loss']}  best val_loss {figures['best']}"
            self.bars.update(self.running[run], completed=int(done), total=int(epochs), figures=shown)


def hide_chatter(when_done):
    """Drop from Snakemake's log, in its own process, lines that say nothing of the runs, or say it again.

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


def show_results(plan, suite, study=""):
    """Print a table, one row per run, and the address of the report's page.

    Args:
        plan: see `plan.jobs`.
        suite: its name.
        study: the name of the study whose page it is; of none, the suite's.
    """
    from tabulate import tabulate

    from .. import runs  # which Ctrl-C may not interrupt while Snakemake starts

    if rows := [_result(job) for job in plan.values()]:
        headers = ("model", "seed", "validation loss", "accuracy", "restored epoch", "seconds", "")
        right = ("left", "right", "right", "right", "right", "right", "left")
        shown = len(headers) if any(row[-1] for row in rows) else -1  # no empty column at the end
        rows = [row[:shown] for row in rows]
        table = tabulate(rows, headers[:shown], "simple", disable_numparse=True, colalign=right[:shown])
        say(f"\n{table}\n")
    page = runs.suite_dir(suite) / (f"studies/{study}/index.html" if study else "index.html")
    if page.is_file():
        say(f"The report: {page.as_uri()}")


def _result(job):
    from .. import params, runs

    model, seed = job.params.model, job.params.seed
    folder = runs.run_dir(job.params.suite, model, seed)
    metrics = runs.read(folder)
    failed = not job.current and folder.with_name(f"{folder.name}.failed.ipynb").exists()
    if metrics is None:  # one that ended without a word, on a cluster or by kill -9, has left no notebook
        return model, seed, "", "", "", "", "failed" if failed else "no result"
    accuracy = f"{metrics['val']['accuracy']:.1%}" if "accuracy" in metrics["val"] else ""
    epochs = f"{metrics.get('restored_epoch') or metrics['best_epoch']} of {metrics['epochs_run']}"
    seconds = f"{metrics['seconds']['total']:,.0f}"
    if failed or not params.same(job.params, params.Params.of(metrics["params"])):
        state = f"{'failed' if failed else 'no result'}; previous result kept"
    else:
        state = "up to date" if job.current else ""
    return model, seed, f"{metrics['val']['loss']:.4f}", accuracy, epochs, seconds, state


def fall_back_to_plain_characters():
    """Print a character that this process's terminal does not have as a plain one, from now on."""
    codecs.register_error("plain", _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="plain")


def _plain(error):
    text = error.object[error.start : error.end].translate(PLAIN)
    return unicodedata.normalize("NFKD", text).encode("ascii", "replace").decode(), error.end


def say(text):
    """Print text at once. A reader that has gone, such as `head`, does not end what is said of."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextlib.contextmanager
def stderr_into(file):
    """Keep what is written to this process's stderr off the terminal meanwhile, also by C++."""
    saved = os.dup(2)
    os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def import_keras():
    """Import Keras without the lines that TensorFlow writes before its log level holds."""
    with tempfile.TemporaryFile() as log, stderr_into(log):
        import keras  # noqa: F401


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
