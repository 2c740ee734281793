"""Run commands and take their times from outside: of the lines they print, and of the engine's jobs.

Nothing in the project is instrumented. An epoch's time is that of its printed line; a job's parts come from
what papermill writes into the executed notebook and from the job's process.
"""

import contextlib
import json
import os
import re
import subprocess
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from select import select

import psutil

POLL = 0.5  # seconds between two looks for new jobs and at their memory

# What a notebook's cell is counted as: the first pattern that its source holds.
PARTS = {
    "fit": r"training\.fit\(",
    "imports": r"import fmnist_keras",
    "saving": r"runs\.finish\(",
    "data": r"fk\.data\.load",
    "figures": r"save_figure|fk\.plots\.",
    "evaluation": r"training\.(evaluate|predict)\(|fk\.evaluation\.",
    "model": r"fk\.models\.|load_encoder",
}


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
    peaks: dict = field(default_factory=dict)  # of it and each of its children: VmHWM in MB

    @property
    def memory(self):
        """Peak resident memory in MB, the job and its kernel added: no less than what both ever held."""
        return sum(self.peaks.values())


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
    threads = [
        threading.Thread(target=_run, args=(command, env, cwd, jobs, into))
        for command, into in zip(commands, done)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for command, one in zip(commands, done):
        if one.code:
            last = "\n".join(text for _, text in one.lines[-15:])
            raise BenchError(f"{' '.join(command)} exited with {one.code}:\n{last}")
    return done


def alone(command, env, cwd, jobs=False):
    """Run one command; see `together`."""
    return together([command], env, cwd, jobs)[0]


def _run(command, env, cwd, jobs, into):
    start = time.perf_counter()
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "bufsize": 1}
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
    seen, alive = set(), {}
    while engine.poll() is None:
        for process in _children(engine.pid):
            with_arguments = _arguments(process)
            if process.pid in seen or with_arguments[1:4] != ["-m", "fmnist_keras", "run"]:
                continue
            seen.add(process.pid)
            model, options = with_arguments[4], with_arguments[5:]
            seed = options[options.index("--seed") + 1]
            jobs[f"{model}/seed_{seed}"] = alive[process.pid] = Job(_started(process.pid))
            threading.Thread(target=_wait, args=(process.pid, alive[process.pid]), daemon=True).start()
        for pid, job in alive.items():
            if not job.ended:
                children = _children(pid)  # without one its kernel has gone, and with it most of the memory
                for process in (psutil.Process(pid), *children) if children else ():
                    job.peaks[process.pid] = max(job.peaks.get(process.pid, 0), _peak(process.pid))
        time.sleep(POLL)


def _children(pid):
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _arguments(process):
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _started(pid):
    """When a process began; psutil's own is off by up to a second, as the kernel's boot time is."""
    ticks = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19])
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    return time.time() - age


def _wait(pid, job):
    """Note when a process that is no child of ours ends, at once."""
    with contextlib.suppress(ProcessLookupError):  # it has ended already
        handle = os.pidfd_open(pid)
        select([handle], [], [])
        os.close(handle)
    job.ended = time.time()


def _peak(pid):
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        found = None
    return int(found[1]) / 1024 if found else 0.0


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


def parts(folder, job):
    """Where the wall time of a job went, in seconds by part; the parts add up to the whole.

    Args:
        folder: the run's folder, with `notebook.ipynb`, `notebook.html` and `metrics.json`.
        job: the `Job`.
    """
    notebook = json.loads((folder / "notebook.ipynb").read_text())
    metrics = json.loads((folder / "metrics.json").read_text())
    whole = notebook["metadata"]["papermill"]
    cells = [c for c in notebook["cells"] if c["metadata"].get("papermill", {}).get("start_time")]
    began, ended = _time(whole["start_time"]), _time(whole["end_time"])
    first = min(_time(cell["metadata"]["papermill"]["start_time"]) for cell in cells)
    page = (folder / "notebook.html").stat().st_mtime
    found = {"command and its imports": began - job.began, "kernel start": first - began}
    for cell in cells:
        source = "".join(cell["source"])
        part = next((part for part, pattern in PARTS.items() if re.search(pattern, source)), "other cells")
        found[part] = found.get(part, 0.0) + cell["metadata"]["papermill"]["duration"]
    found["compile"] = found["fit"] - metrics["seconds"]["fit"]
    found["fit"] = metrics["seconds"]["fit"]
    in_cells = sum(cell["metadata"]["papermill"]["duration"] for cell in cells)
    found["papermill, between cells"] = ended - first - in_cells
    found["HTML page"] = page - ended
    found["last steps and exit"] = job.ended - page
    return {part: round(seconds, 3) for part, seconds in found.items()}


def _time(text):
    return datetime.fromisoformat(text).timestamp()
