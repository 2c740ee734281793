"""The engine's jobs: a notebook executed, its page beside it, its folder put in place."""

import contextlib
import logging
import os
import re
import shutil
import tempfile
import time

from . import catalogue, runs, safety

NOTEBOOKS = runs.ROOT / "notebooks"
START_ATTEMPTS = 3  # a kernel that could not start, on a busy machine, is worth another try


class JobFailed(RuntimeError):
    """A notebook failed; the message says where and why, the failed notebook is kept."""


def execute(notebook, output, values, label, failed):
    """Execute a notebook with papermill, its epoch lines printed under `label` as they come.

    Args:
        notebook: the notebook's `Path`.
        output: where the executed notebook goes when, and only when, all cells have run.
        values: dict of parameters.
        label: what stands before each printed line.
        failed: where the notebook goes instead when a cell has failed; gone when all have run.

    Raises:
        JobFailed: a cell failed or the kernel died.
    """
    import nbformat
    import papermill

    _save_once()
    _log_epochs(label)
    partial = output.with_name(f".{os.getpid()}.{output.name}")
    for attempt in range(1, START_ATTEMPTS + 1):
        try:
            with tempfile.TemporaryFile("w+") as log, _stderr_into(log):
                papermill.execute_notebook(
                    *(str(notebook), str(partial), values),
                    cwd=str(runs.ROOT),
                    log_output=True,
                    progress_bar=False,
                    shutdown_kernel="immediate",  # it may be in the middle of a fit and deaf to a request
                )
            break
        except Exception as error:
            if isinstance(error, RuntimeError) and not _began(partial) and attempt < START_ATTEMPTS:
                print(f"{label}  the kernel did not start, trying again", flush=True)
                continue
            if partial.is_file():
                partial.replace(failed)
            reason = getattr(error, "evalue", None) or " ".join(str(error).split())
            reason = safety.disk_full(error) or safety.disk_full(reason) or reason
            raise JobFailed(f"{label}: {reason}\n  the failed notebook: {failed}") from error
    executed = nbformat.read(partial, 4)
    for path in ("input_path", "output_path"):  # of this machine, and of no use on another
        executed.metadata.papermill.pop(path, None)
    nbformat.write(executed, partial)
    failed.unlink(missing_ok=True)
    partial.replace(output)


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


def _log_epochs(label):
    """Let papermill's log of the cells' output print its epoch lines, and nothing else."""

    class EpochLines(logging.Handler):
        began = None

        def emit(self, record):
            for line in record.getMessage().splitlines():
                if match := re.match(r"epoch (\d+)/(\d+) ", line):
                    done, epochs = map(int, match.groups())
                    self.began = self.began or (time.monotonic(), done)
                    print(f"{label}  {line}{self.left(done, epochs)}", flush=True)

        def left(self, done, epochs):
            since, first = self.began
            if done in (first, epochs):
                return ""
            seconds = (time.monotonic() - since) / (done - first) * (epochs - done)
            return f"  {seconds // 60:.0f}:{seconds % 60:02.0f} left at most"

    logger = logging.getLogger("papermill")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.handlers = [EpochLines()]


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


@contextlib.contextmanager
def _scratch(final):
    """A hidden folder beside `final` that is gone at the end; see `safety.hidden_folder`."""
    folder = safety.hidden_folder(final, "job")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run(model, suite, seed):
    """Train and evaluate one model of a suite; its folder appears when everything in it is there."""
    from . import pages

    label = f"{suite} {model} seed {seed}"
    kind, values = catalogue.for_run(model, suite, seed)
    final = runs.run_dir(suite, model, seed)
    with _scratch(final) as scratch:
        made = scratch / final.name
        notebook = scratch / "notebook.ipynb"
        values |= {"run_dir": os.path.relpath(made, runs.reports_dir())}
        print(f"{label}  starts", flush=True)
        failed = final.with_name(f"{final.name}.failed.ipynb")
        execute(NOTEBOOKS / f"{kind}.ipynb", notebook, values, label, failed)
        pages.page(notebook, made / "notebook.html", f"{model}, seed {seed}", "../../index.html")
        notebook.replace(made / "notebook.ipynb")
        runs.publish(made, final)
    metrics = runs.read(final)
    print(
        f"{label}  done in {metrics['seconds']['total']:.0f} s: epoch {metrics['best_epoch']} of "
        f"{metrics['epochs_run']}, val loss {metrics['val']['loss']:.4f}",
        flush=True,
    )


def report(suite):
    """Execute the report notebook of a suite and put its page at `reports/<suite>/index.html`."""
    from . import pages

    folder = runs.suite_dir(suite)
    with _scratch(folder / "report") as scratch:
        notebook = scratch / "report.ipynb"
        failed = folder / "report.failed.ipynb"
        execute(NOTEBOOKS / "report.ipynb", notebook, {"suite": suite}, f"{suite} report", failed)
        pages.page(notebook, scratch / "index.html", f"Suite {suite}")
        notebook.replace(folder / "report.ipynb")
        (scratch / "index.html").replace(folder / "index.html")
    page = folder / "index.html"
    shown = page.relative_to(runs.ROOT) if page.is_relative_to(runs.ROOT) else page
    print(f"{suite} report  {shown}", flush=True)
