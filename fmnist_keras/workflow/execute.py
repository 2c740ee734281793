"""The engine's jobs: a run, a report, a study's page. Each executes a notebook and appears whole."""

import contextlib
import errno
import getpass
import io
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile

from .. import params, runs
from .._sources import is_fashion_mnist
from ..params import NOTEBOOKS
from ..report import pages  # and no more here: seaborn, pandas and scipy would start with each run
from ..runs import locks
from . import experiments
from .progress import say, stderr_into

# What a notebook's kernel finds in its environment, where nothing else is said there.
KERNEL_ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "1",  # TensorFlow takes oneDNN's faster convolutions only on some CPUs by itself
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",  # several runs share a GPU: none takes all its memory at the start
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",  # the same, for JAX
    # glibc keeps what a step frees for the next. It costs nothing, and brings next to nothing here: see
    # Settings in bench.md.
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "MALLOC_TRIM_THRESHOLD_": str(2**30),
}
KERNEL_ARGUMENTS = [
    # What TensorFlow writes to stderr before its log level holds stays out of the cells.
    "--IPKernelApp.capture_fd_output=False",
    # Importing TensorFlow makes some 500,000 objects that stay: collecting garbage meanwhile takes 1 to 2 s.
    "--IPKernelApp.exec_lines=import gc; gc.set_threshold(500_000)",
]
PAPERMILL = {
    "cwd": str(runs.ROOT),
    "kernel_name": "python3",  # a notebook may name none, and this one starts the same for all
    "language": "python",
    "progress_bar": False,
    "shutdown_kernel": "immediate",  # it may be in the middle of a fit and deaf to a request
    "extra_arguments": KERNEL_ARGUMENTS,
}
# Of a kernel's stderr, and papermill's, what does not say why the kernel died.
NOISE = r"\s*$|\[IPKernelApp\] WARNING|Kernel died|Passed unknown|[IW]\d{4} |WARNING: All log messages before"
LAST = 3  # lines of a kernel's stderr that an error has
START_ATTEMPTS = 3  # a kernel that could not start, on a busy machine, is worth another try


class JobFailed(RuntimeError):
    """A notebook failed; the message says where and why, the failed notebook is kept."""


def execute_notebook(notebook, output, values, label, failed):
    """Execute a notebook with papermill, and print its epoch lines.

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
    _register_engine()
    partial = output.with_name(f".{os.getpid()}.{output.name}")
    # In single braces papermill would look for a parameter.
    literal = [str(path).replace("{", "{{").replace("}", "}}") for path in (notebook, partial)]
    options = PAPERMILL | {"kernel_manager_class": InterpreterKernel, "stdout_file": EpochLines(label)}
    for attempt in range(1, START_ATTEMPTS + 1):
        try:
            with _kernel_stderr():
                papermill.execute_notebook(*literal, values, **options)
            break
        except Exception as error:
            # jupyter_client's own; a kernel that dies later is nbclient's DeadKernelError, a cell papermill's
            if type(error) is RuntimeError and attempt < START_ATTEMPTS:
                say(f"{label}  the kernel did not start, trying again")
                continue
            if partial.is_file():
                partial.replace(failed)
            reason = getattr(error, "evalue", None) or " ".join(str(error).split())
            reason = disk_full(error) or disk_full(reason) or reason
            raise JobFailed(f"{label}: {reason}\n  the failed notebook: {failed}") from error
    failed.unlink(missing_ok=True)
    partial.replace(output)


@contextlib.contextmanager
def _kernel_stderr():
    """Keep the kernel's stderr off the terminal; if it dies, its last lines are in the error's message."""
    with tempfile.TemporaryFile() as log:
        try:
            with stderr_into(log):
                yield
        except RuntimeError as error:  # of nbclient or jupyter_client; those of cells are papermill's own
            log.seek(0)
            lines = log.read().decode("utf-8", "replace").splitlines()
            said = list(dict.fromkeys(line.strip() for line in lines if not re.match(NOISE, line)))[-LAST:]
            error.args = (": ".join([str(error), "; ".join(said)]) if said else str(error),)
            raise


def _forget_job(notebook):
    """Remove the job's own paths from an executed notebook: run again, it goes to its suite's folder."""
    papermill = notebook.metadata.papermill
    for name in ("input_path", "output_path"):
        papermill.pop(name, None)
    papermill.get("parameters", {}).pop("run_dir", None)
    for cell in notebook.cells:
        if "injected-parameters" in cell.metadata.get("tags", ()):
            cell.source = re.sub(r"^run_dir = .*\n?", "", cell.source, flags=re.MULTILINE)
            cell.id = "injected-parameters"  # papermill's is random: the same run would give another page


def _register_engine():
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
                _forget_job(manager.nb)

    papermill_engines.register(None, Engine)


class EpochLines(io.TextIOBase):
    """A stream for a kernel's stdout that prints the epoch lines after a label."""

    def __init__(self, label):
        self.label = label

    def write(self, text):
        """Print those of the lines that are an epoch's."""
        for line in text.splitlines():
            if re.match(r"epoch \d+/\d+ ", line):
                say(f"{self.label}  {line}")


def kernel_environment():
    """Return the part of `KERNEL_ENVIRONMENT` that is not set already: a dict."""
    return {name: value for name, value in KERNEL_ENVIRONMENT.items() if name not in os.environ}


def settle_home():
    """Give this process and those that it starts what `docker run -u 12345` leaves out: a name and a home."""
    if not os.access(home := os.path.expanduser("~"), os.W_OK):
        if os.path.isdir(kept := os.path.join(home, ".keras")):
            os.environ.setdefault("KERAS_HOME", kept)
        os.environ["HOME"] = tempfile.mkdtemp()
    try:
        getpass.getuser()
    except (ImportError, KeyError, OSError):  # no pwd, no entry in it, and Python 3.13's
        os.environ["LOGNAME"] = "somebody"


def disk_full(reason):
    """Return one sentence about a full disk if that is what an error or its text says; else None."""
    codes = (errno.ENOSPC, errno.EDQUOT)
    if getattr(reason, "errno", None) in codes or any(os.strerror(code) in str(reason) for code in codes):
        what = getattr(reason, "filename", None) or f"the results in {runs.reports_dir()}"
        return f"the disk is full: no space was left for {what}; free some and run the same again"
    return None


def job_command():
    """Return the words in front of a job's own, for a shell.

    A job takes the place of its shell, so that its parent is the engine, and ends when the engine does:
    killed, Snakemake cannot take its jobs along. It does not hear a terminal's Ctrl-C, at which Python would
    print a traceback while it still imports: `signals.install_handlers` lets it be told.

    It imports `fmnist_keras` from the folder that it runs in: PYTHONPATH would split at a colon in its name.
    """
    root = shlex.quote(str(runs.ROOT))
    return f"trap '' INT; cd {root}; exec {shlex.join([sys.executable, '-m', 'fmnist_keras'])}"


def set_job_environment():
    """Set in the engine's own process what its jobs find in their environment."""
    settle_home()
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


def run_model(values):
    """Train and evaluate one run, whose folder appears when everything in it is there.

    Args:
        values: its `Params`.
    """
    final = runs.run_dir(values.suite, values.model, values.seed)
    label = f"{values.suite} {values.model} seed {values.seed}"
    with locks.hidden_folder(final, "job") as scratch:
        made = scratch / final.name
        notebook = scratch / "notebook.ipynb"
        passed = values.as_dict() | {"run_dir": os.path.relpath(made, runs.reports_dir())}
        if values.changes:
            passed |= {"base": values.base, "changes": values.changes}
        say(f"{label}  starts")
        failed = final.with_name(f"{final.name}.failed.ipynb")
        source = NOTEBOOKS / (values.notebook or f"{values.kind}.ipynb")
        execute_notebook(source, notebook, passed, label, failed)
        if not (made / "metrics.json").is_file():
            notebook.replace(failed)
            said = f"{source.name} ended without run.finish(...)"
            raise JobFailed(f"{label}: {said}\n  the failed notebook: {failed}")
        title = f"{values.model}, seed {values.seed}"
        other_data = not is_fashion_mnist(runs.record.verify(made)["data"]["sha256"])
        pages.page(notebook, made / "notebook.html", title, "../../index.html", other_data)
        notebook.replace(made / "notebook.ipynb")
        runs.publish(made, final)
    metrics = runs.read(final)
    restored = metrics.get("restored_epoch") or metrics["best_epoch"]
    seconds, loss = f"{metrics['seconds']['total']:.0f}", f"{metrics['val']['loss']:.4f}"
    say(f"{label}  done in {seconds} s: epoch {restored} of {metrics['epochs_run']}, val loss {loss}")


def make_report(suite):
    """Execute the report notebook of a suite and put its page at `reports/<suite>/index.html`.

    Beside it is a table of the runs if people fill the suite by hand.

    Raises:
        runs.RunError: the suite has no runs.
    """
    runs.require_runs(suite)
    if not params.is_planned(suite):
        from ..report.attempts import write_table

        write_table(suite)
    _make_page(runs.suite_dir(suite), "report", {"suite": suite}, f"{suite} report", f"Suite {suite}")


def make_study(name, suite):
    """Make a study's page, `reports/<suite>/studies/<name>/index.html`, and its table beside it.

    `study.json` there says which run is which of its points. If the suite has a page, it is made again, with
    the study in it.
    """
    from ..report.studies import table

    asked, folder = experiments.study(name, suite), runs.suite_dir(suite) / "studies" / name
    folder.mkdir(parents=True, exist_ok=True)
    content = {field: value for field, value in vars(asked).items() if field not in ("params", "equal")}
    content["runs"] = list(asked.params)
    (folder / "study.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    table(name, suite).to_csv(folder / "table.csv", index=False)
    values = {"study": name, "suite": suite}
    _make_page(folder, "study", values, f"{suite} study {name}", f"Study {name}", "../../index.html")
    if (runs.suite_dir(suite) / "index.html").is_file():
        make_report(suite)


def _is_on_papers_data(suite):
    """Return whether a run of a suite is on Fashion-MNIST, or a part of it."""
    found = map(runs.read, runs.suite_dir(suite).glob("*/seed_*/"))
    return any(is_fashion_mnist(run["data"]["sha256"]) for run in found if run)


def _make_page(folder, notebook, values, label, title, home=None):
    """Execute a notebook of `notebooks` into a folder, its page beside it as `index.html`."""
    with locks.hidden_folder(folder / notebook, "job") as scratch, contextlib.ExitStack() as stack:
        os.environ["FMNIST_HTML_ALONE"] = "1"  # no PNG beside the SVG that a page takes
        stack.callback(os.environ.pop, "FMNIST_HTML_ALONE")
        executed, failed = scratch / f"{notebook}.ipynb", folder / f"{notebook}.failed.ipynb"
        execute_notebook(NOTEBOOKS / executed.name, executed, values, label, failed)
        pages.page(executed, scratch / "index.html", title, home, not _is_on_papers_data(values["suite"]))
        executed.replace(folder / executed.name)
        (scratch / "index.html").replace(folder / "index.html")
    page = folder / "index.html"
    shown = page.relative_to(runs.ROOT) if page.is_relative_to(runs.ROOT) else page
    say(f"{label}  {shown}")


if __name__ == "__main__":  # for the Makefile: words of `env`
    print(*(f"{name}={value}" for name, value in kernel_environment().items()))
