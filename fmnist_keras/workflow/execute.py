"""A notebook executed: the kernel that runs it, the lines it prints, and what it leaves when a cell fails."""

import contextlib
import errno
import getpass
import os
import re
import tempfile
import time

from .. import params, runs
from . import terminal

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
# Of a kernel's stderr, and papermill's, what does not say why the kernel died.
NOISE = r"\s*$|\[IPKernelApp\] WARNING|Kernel died|Passed unknown|[IW]\d{4} |WARNING: All log messages before"
LAST = 3  # lines of a kernel's stderr that an error has
START_ATTEMPTS = 3  # a kernel that could not start, on a busy machine, is worth another try


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
            with _kernel_stderr(), _environment(kernel_environment()):
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
                terminal.say(f"{label}  the kernel did not start, trying again")
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


@contextlib.contextmanager
def _kernel_stderr():
    """Keep the kernel's stderr off the terminal; if it dies, its last lines are in the error's message."""
    with tempfile.TemporaryFile() as log:
        try:
            with terminal.stderr_into(log):
                yield
        except RuntimeError as error:  # of nbclient or jupyter_client; those of cells are papermill's own
            log.seek(0)
            lines = log.read().decode("utf-8", "replace").splitlines()
            said = list(dict.fromkeys(line.strip() for line in lines if not re.match(NOISE, line)))[-LAST:]
            error.args = (": ".join([str(error), "; ".join(said)]) if said else str(error),)
            raise


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
            cell.id = "injected-parameters"  # papermill's is random: the same run would give another page
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
                terminal.say(f"{self.label}  {line}{self._left(*map(int, match.groups()))}")

    def flush(self):
        """Nothing waits: `write` has printed."""

    def _left(self, done, epochs):
        self.began = self.began or (time.monotonic(), done)
        since, first = self.began
        if done in (first, epochs):
            return ""
        seconds = (time.monotonic() - since) / (done - first) * (epochs - done)
        return f"  {seconds // 60:.0f}:{seconds % 60:02.0f} left at most"


def kernel_environment():
    """What of `KERNEL_ENVIRONMENT` is not set already: a dict."""
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


@contextlib.contextmanager
def _environment(added):
    """Environment variables for the processes that are started meanwhile."""
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def disk_full(reason):
    """The one sentence about a full disk, where that is what an error or its text says; else None."""
    codes = (errno.ENOSPC, errno.EDQUOT)
    if getattr(reason, "errno", None) in codes or any(os.strerror(code) in str(reason) for code in codes):
        what = getattr(reason, "filename", None) or f"the results in {runs.reports_dir()}"
        return f"the disk is full: no space was left for {what}; free some and run the same again"
    return None


if __name__ == "__main__":  # for the Makefile: words of `env`
    print(*(f"{name}={value}" for name, value in kernel_environment().items()))
