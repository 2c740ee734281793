"""Run commands and take their times from outside: of the lines they print, and of the engine's jobs.

Nothing in the project is instrumented. An epoch's time is that of its printed line; a job's parts are the
durations that papermill notes in the executed notebook, and what its process took beside them.
"""

import contextlib
import json
import os
import re
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import psutil

POLL = 0.5  # seconds between two looks for new jobs and at their memory


class BenchError(RuntimeError):
    """A command that was to be measured failed."""


@dataclass
class Done:
    """A finished command.

    Attributes:
        seconds: wall time, from its start to its exit.
        lines: list of (seconds since the start, text) of what it printed.
        jobs: dict of "model/seed_k" to `Job`, where the command was the engine.
        code: its exit status.
    """

    seconds: float = 0.0
    lines: list = field(default_factory=list)
    jobs: dict = field(default_factory=dict)
    code: int | None = None


@dataclass
class Job:
    """A `python -m fmnist_keras run` process that the engine started; times as `time.time` gives them."""

    began: float
    ended: float = 0.0
    peaks: dict = field(default_factory=dict)  # of it and each of its children: peak resident memory in MB


def together(commands, env, cwd, jobs=False):
    """Run commands at the same time, to their end.

    Args:
        commands: lists of arguments.
        env: dict, the whole environment.
        cwd: where they run.
        jobs: follow the engine's jobs, see `Job`.

    Returns:
        A `Done` for each.

    Raises:
        BenchError: a command exited with an error; the message ends with what it printed last.
    """
    done = [Done() for _ in commands]
    threads = [threading.Thread(target=_run, args=(c, env, cwd, jobs, d)) for c, d in zip(commands, done)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for command, one in zip(commands, done):
        if one.code:
            last = "\n".join(text for _, text in one.lines[-15:])
            raise BenchError(f"{' '.join(command)} exited with {one.code}:\n{last}")
    return done


def _run(command, env, cwd, jobs, into):
    start = time.perf_counter()
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "encoding": "utf-8", "bufsize": 1}
    with subprocess.Popen(command, env=env, cwd=cwd, **pipes) as process:
        if jobs:
            threading.Thread(target=_follow, args=(process, into.jobs), daemon=True).start()
        for line in process.stdout:
            into.lines.append((time.perf_counter() - start, line.rstrip()))
        into.code = process.wait()
        into.seconds = time.perf_counter() - start
    while any(not job.ended for job in into.jobs.values()):
        time.sleep(0.01)


def _follow(engine, jobs):
    """Find the engine's jobs while it runs, wait for the end of each, and look at their memory."""
    seen = {}
    while engine.poll() is None:
        with contextlib.suppress(psutil.Error):  # one that has just ended
            for process in psutil.Process(engine.pid).children(recursive=True):
                words = process.cmdline()
                if process.pid not in seen and words[1:4] == ["-m", "fmnist_keras", "run"]:
                    job = seen[process.pid] = Job(_started(process.pid))
                    jobs[f"{words[4]}/seed_{words[words.index('--seed') + 1]}"] = job
                    threading.Thread(target=_wait, args=(process, job), daemon=True).start()
                for parent in {process.pid, process.ppid()} & seen.keys():
                    seen[parent].peaks[process.pid] = _peak(process.pid)
        time.sleep(POLL)


def _wait(process, job):
    process.wait()
    job.ended = time.time()


def _started(pid):
    """When a process began; psutil's own is off by up to a second, as the kernel's boot time is."""
    ticks = int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[19])
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    return time.time() - age


def _peak(pid):
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return 0.0


def epochs(lines):
    """When each model's epoch lines came: dict of model to a list of seconds since the command's start.

    A line of the engine names its model; the scripts name it in a line of its own before the first epoch.
    """
    times, model = {}, None
    for seconds, text in lines:
        if named := re.search(r"\bmodel_\w+", text):
            model = named[0]
        if re.search(r"\bepoch \d+/\d+ ", text):
            times.setdefault(model, []).append(seconds)
    return times


def epoch_seconds(lines):
    """Seconds an epoch of each model, the first epoch left out: it has the start in it."""
    return {model: (t[-1] - t[0]) / (len(t) - 1) for model, t in epochs(lines).items() if len(t) > 1}


def rates(done, images):
    """Images a second of each model, added up over processes that ran at once."""
    each = [epoch_seconds(one.lines) for one in done]
    return {model: sum(images / seconds[model] for seconds in each) for model in each[0]}


def first_epoch(lines, model):
    """Seconds of a script's first epoch of a model: from the line that names it."""
    named = next(seconds for seconds, text in lines if text.startswith(f"{model} parameters "))
    return epochs(lines)[model][0] - named


def parts(folder, job):
    """Where the wall time of a job went, in seconds by part; the parts add up to the whole.

    Args:
        folder: the run's folder, with `notebook.ipynb`, `notebook.html` and `metrics.json`.
        job: the `Job`.
    """
    notebook = json.loads((folder / "notebook.ipynb").read_text(encoding="utf-8"))
    fit = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["seconds"]["fit"]
    began, ended = (_time(notebook["metadata"]["papermill"][f"{edge}_time"]) for edge in ("start", "end"))
    page, section, first, cells = (folder / "notebook.html").stat().st_mtime, "", None, {}
    for cell in notebook["cells"]:  # each counts for the section that it stands in
        heading, times = "".join(cell["source"]).partition("\n")[0], cell["metadata"].get("papermill", {})
        if cell["cell_type"] == "markdown" and heading.startswith("## "):
            section = f"notebook: {heading[3:]}"
        elif times.get("start_time"):
            first = first or _time(times["start_time"])
            cells[section] = cells.get(section, 0.0) + times["duration"]
    between = ended - first - sum(cells.values())
    cells["notebook: Training"] -= fit
    found = {"command and its imports": began - job.began, "kernel start": first - began, **cells, "fit": fit}
    found |= {"papermill, between cells": between, "HTML page": page - ended}
    return {part: round(s, 3) for part, s in found.items()} | {
        "last steps and exit": round(job.ended - page, 3)
    }


def _time(text):
    return datetime.fromisoformat(text).timestamp()


def machine(load, *packages):
    """Where and with what something was measured; `load` is the machine's before that began."""
    cpu = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return {
        "cpu": next(line.split(":", 1)[1].strip() for line in cpu if line.startswith("model name")),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(psutil.virtual_memory().total / 2**30),
        "load_before": round(load, 2),
        "python": sys.version.split()[0],
        **{name: version(name) for name in packages},
    }
