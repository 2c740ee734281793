"""The engine's jobs: a notebook executed, its page beside it, its folder put in place."""

import contextlib
import errno
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from dataclasses import replace

from .. import params, runs
from ..report import pages  # and no more here: seaborn, pandas and scipy would start with each run
from ..runs import locks
from . import experiments

NOTEBOOKS = runs.ROOT / "notebooks"
# What a notebook's kernel finds in its environment, where nothing else is said there.
KERNEL_ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "1",  # TensorFlow takes oneDNN's faster convolutions only on some CPUs by itself
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",  # several runs share a GPU: none takes all its memory at the start
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",  # the same, for JAX
    # glibc keeps what a step frees for the next, since fresh memory costs time (section 7 of bench.md).
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "MALLOC_TRIM_THRESHOLD_": str(2**30),
}
KERNEL_ARGUMENTS = [
    # What TensorFlow writes to stderr before its log level holds stays out of the cells.
    "--IPKernelApp.capture_fd_output=False",
    # Importing TensorFlow makes some 500,000 objects that stay: collecting garbage meanwhile takes 1 to 2 s.
    "--IPKernelApp.exec_lines=import gc; gc.set_threshold(500_000)",
]
START_ATTEMPTS = 3  # a kernel that could not start, on a busy machine, is worth another try


def job_command():
    """The words in front of a job's own, for a shell.

    A job takes the place of its shell, so that its parent is the engine, and ends when the engine does:
    killed, Snakemake cannot take its jobs along. It does not hear a terminal's Ctrl-C, at which Python would
    print a traceback while it still imports: `signals.install_handlers` lets it be told.

    It imports `fmnist_keras` from the folder that it runs in: PYTHONPATH would split at a colon in its name.
    """
    root = shlex.quote(str(runs.ROOT))
    return f"trap '' INT; cd {root}; exec {shlex.join([sys.executable, '-m', 'fmnist_keras'])}"


def set_job_environment():
    """Set in the engine's own process what its jobs find in their environment."""
    # One thread a run and as many runs at once as there are cores: faster than one run with all threads.
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    # Jobs run in another folder, and perhaps on another machine: what is relative to this one would be lost.
    for name in ("REPORTS_DIR", "FMNIST_DATA_DIR"):
        if os.environ.get(name):
            os.environ[name] = os.path.abspath(os.path.expanduser(os.environ[name]))


def run_shell(command):
    """Run a job outside of the graph; Ctrl-C ends the wait for it, without a traceback."""
    with contextlib.suppress(KeyboardInterrupt):
        subprocess.run(command, shell=True)


class JobFailed(RuntimeError):
    """A notebook failed; the message says where and why, the failed notebook is kept."""


def execute_notebook(notebook, output, values, label, failed):
    """Execute a notebook with papermill, its epoch lines printed under `label` as they come.

    Args:
        notebook: the notebook's `Path`.
        output: where the executed notebook goes when, and only when, all cells have run.
        values: dict of parameters.
        label: printed before each line.
        failed: where the notebook goes instead when a cell has failed; gone when all have run.

    Raises:
        JobFailed: a cell failed or the kernel died.
    """
    import papermill

    from .kernel import InterpreterKernel

    params.require_repository()
    _save_once()
    partial = output.with_name(f".{os.getpid()}.{output.name}")
    for attempt in range(1, START_ATTEMPTS + 1):
        try:
            with (
                tempfile.TemporaryFile("w+", encoding="utf-8") as log,
                _stderr_into(log),
                _environment(kernel_environment()),
            ):
                papermill.execute_notebook(
                    *(_literal(notebook), _literal(partial), values),
                    cwd=str(runs.ROOT),
                    kernel_name="python3",  # a notebook may name none, and this one starts the same for all
                    language="python",
                    kernel_manager_class=InterpreterKernel,
                    stdout_file=EpochLines(label),
                    progress_bar=False,
                    shutdown_kernel="immediate",  # it may be in the middle of a fit and deaf to a request
                    extra_arguments=KERNEL_ARGUMENTS,
                )
            break
        except Exception as error:
            if isinstance(error, RuntimeError) and not _began(partial) and attempt < START_ATTEMPTS:
                print(f"{label}  the kernel did not start, trying again", flush=True)
                continue
            if partial.is_file():
                _forget_job(partial)
                partial.replace(failed)
            reason = getattr(error, "evalue", None) or " ".join(str(error).split())
            reason = disk_full(error) or disk_full(reason) or reason
            raise JobFailed(f"{label}: {reason}\n  the failed notebook: {failed}") from error
    _forget_job(partial)
    failed.unlink(missing_ok=True)
    partial.replace(output)


def _literal(path):
    """A path as papermill takes it: in braces it would look for a parameter."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _forget_job(path):
    """Take the job's own paths out of an executed notebook: run again, it goes where its suite says."""
    import nbformat

    try:
        notebook = nbformat.read(path, 4)
    except nbformat.reader.NotJSONError:  # cut off in the middle, on a full disk
        return
    papermill = notebook.metadata.get("papermill", {})
    for name in ("input_path", "output_path"):
        papermill.pop(name, None)
    papermill.get("parameters", {}).pop("run_dir", None)
    for cell in notebook.cells:
        if "injected-parameters" in cell.metadata.get("tags", ()):
            cell.source = re.sub(r"^run_dir = .*\n?", "", cell.source, flags=re.MULTILINE)
    nbformat.write(notebook, path)


def _began(notebook):
    """Has a cell of this notebook, as far as it was written, run?"""
    import nbformat

    try:
        return any(cell.get("execution_count") for cell in nbformat.read(notebook, 4).cells)
    except FileNotFoundError:
        return False
    except nbformat.reader.NotJSONError:  # cut off in the middle: there was something to write
        return True


def _save_once():
    """Let papermill write a notebook when its cells have run, or one has failed: not twice a cell, whole."""
    from papermill.engines import NBClientEngine, papermill_engines

    class Engine(NBClientEngine):
        @classmethod
        def execute_managed_notebook(cls, manager, *args, **kwargs):
            path, manager.output_path = manager.output_path, None
            try:
                return super().execute_managed_notebook(manager, *args, **kwargs)
            finally:  # whatever came, papermill now saves
                manager.output_path = path

    papermill_engines.register(None, Engine)


class EpochLines:
    """What papermill writes a kernel's stdout to: prints the epoch lines after a label, and the time left."""

    def __init__(self, label):
        self.label, self.began = label, None

    def write(self, text):
        """Print those of the lines that are an epoch's."""
        for line in text.splitlines():
            if match := re.match(r"epoch (\d+)/(\d+) ", line):
                print(f"{self.label}  {line}{self._left(*map(int, match.groups()))}", flush=True)

    def flush(self):
        """Nothing waits: `write` has printed."""

    def _left(self, done, epochs):
        self.began = self.began or (time.monotonic(), done)
        since, first = self.began
        if done in (first, epochs):
            return ""
        seconds = (time.monotonic() - since) / (done - first) * (epochs - done)
        return f"  {seconds // 60:.0f}:{seconds % 60:02.0f} left at most"


@contextlib.contextmanager
def _stderr_into(file):
    """Keep what a kernel writes to its stderr outside of any cell off the terminal."""
    saved = os.dup(2)
    os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def kernel_environment():
    """What of `KERNEL_ENVIRONMENT` is not set already: a dict."""
    return {name: value for name, value in KERNEL_ENVIRONMENT.items() if name not in os.environ}


@contextlib.contextmanager
def _environment(added):
    """Environment variables for the processes that are started meanwhile."""
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


@contextlib.contextmanager
def _scratch(final):
    """A hidden folder beside `final` that is gone at the end; see `runs.locks.temporary_folder`."""
    folder = locks.temporary_folder(final, "job")
    try:
        yield folder
    finally:
        locks.discard(folder)


def run_model(model, suite, seed, study=None):
    """Train and evaluate one model of a suite, or one run of a study in it.

    Its folder appears when everything in it is there.
    """
    label = f"{suite} {model} seed {seed}"
    if study is None:
        values = experiments.for_run(model, suite, seed)
    else:
        values = replace(experiments.study(study, suite).params[model], seed=seed)
    final = runs.run_dir(suite, model, seed)
    with _scratch(final) as scratch:
        made = scratch / final.name
        notebook = scratch / "notebook.ipynb"
        passed = values.as_dict() | {"run_dir": os.path.relpath(made, runs.reports_dir())}
        print(f"{label}  starts", flush=True)
        failed = final.with_name(f"{final.name}.failed.ipynb")
        execute_notebook(NOTEBOOKS / f"{values.kind}.ipynb", notebook, passed, label, failed)
        pages.page(notebook, made / "notebook.html", f"{model}, seed {seed}", "../../index.html")
        notebook.replace(made / "notebook.ipynb")
        runs.publish(made, final)
    metrics = runs.read(final)
    print(
        f"{label}  done in {metrics['seconds']['total']:.0f} s: epoch {metrics['best_epoch']} of "
        f"{metrics['epochs_run']}, val loss {metrics['val']['loss']:.4f}",
        flush=True,
    )


def make_report(suite):
    """Execute the report notebook of a suite and put its page at `reports/<suite>/index.html`.

    Raises:
        runs.RunError: the suite has no runs.
    """
    from ..report.suite import require_runs

    require_runs(suite)
    _make_page(runs.suite_dir(suite), "report", {"suite": suite}, f"{suite} report", f"Suite {suite}")


def make_study(name, suite):
    """Make a study's page, `reports/<suite>/studies/<name>/index.html`, and its table beside it.

    What the study is, and which run is which of its points, is left there too, in `study.json`. Where the
    suite has a page, it is made again, with the study in it.
    """
    from ..report import studies

    study, folder = experiments.study(name, suite), runs.suite_dir(suite) / "studies" / name
    folder.mkdir(parents=True, exist_ok=True)
    content = {field: value for field, value in vars(study).items() if field != "params"}
    content["runs"] = list(study.params)
    (folder / "study.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    studies.table(name, suite).to_csv(folder / "table.csv", index=False)
    values = {"study": name, "suite": suite}
    _make_page(folder, "study", values, f"{suite} study {name}", f"Study {name}", "../../index.html")
    if (runs.suite_dir(suite) / "index.html").is_file():
        make_report(suite)


def _make_page(folder, notebook, values, label, title, home=None):
    """Execute a notebook of `notebooks` into a folder, its page beside it as `index.html`."""
    with _scratch(folder / notebook) as scratch:
        executed, failed = scratch / f"{notebook}.ipynb", folder / f"{notebook}.failed.ipynb"
        execute_notebook(NOTEBOOKS / executed.name, executed, values, label, failed)
        pages.page(executed, scratch / "index.html", title, home)
        executed.replace(folder / executed.name)
        (scratch / "index.html").replace(folder / "index.html")
    page = folder / "index.html"
    shown = page.relative_to(runs.ROOT) if page.is_relative_to(runs.ROOT) else page
    print(f"{label}  {shown}", flush=True)


def disk_full(reason):
    """The one sentence about a full disk, where that is what an error or its text says; else None."""
    codes = (errno.ENOSPC, errno.EDQUOT)
    if getattr(reason, "errno", None) in codes or any(os.strerror(code) in str(reason) for code in codes):
        what = getattr(reason, "filename", None) or f"the results in {runs.reports_dir()}"
        return f"the disk is full: no space was left for {what}; free some and run the same again"
    return None


if __name__ == "__main__":  # for the Makefile: words of `env`
    print(*(f"{name}={value}" for name, value in kernel_environment().items()))
