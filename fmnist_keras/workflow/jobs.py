"""The engine's jobs: a run, a report, a study's page, each put in place when it is whole."""

import contextlib
import json
import os
import shlex
import subprocess
import sys
from dataclasses import replace

from .. import runs
from ..report import pages  # and no more here: seaborn, pandas and scipy would start with each run
from ..runs import locks
from . import experiments, terminal
from .execute import NOTEBOOKS, execute_notebook, settle_home


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


def run_model(model, suite, seed, of_study=None):
    """Train and evaluate one model of a suite, or one run of a study in it.

    Its folder appears when everything in it is there.
    """
    if of_study is None:
        values = experiments.resolve(model, suite, seed)
    else:
        values = replace(experiments.study(of_study, suite).params[model], seed=seed)
    model = values.model
    final, label = runs.run_dir(suite, model, seed), f"{suite} {model} seed {seed}"
    with locks.hidden_folder(final, "job") as scratch:
        made = scratch / final.name
        notebook = scratch / "notebook.ipynb"
        passed = values.as_dict() | {"run_dir": os.path.relpath(made, runs.reports_dir())}
        if values.changes:
            passed |= {"base": values.base, "changes": values.changes}
        terminal.say(f"{label}  starts")
        failed = final.with_name(f"{final.name}.failed.ipynb")
        execute_notebook(NOTEBOOKS / f"{values.kind}.ipynb", notebook, passed, label, failed)
        pages.page(notebook, made / "notebook.html", f"{model}, seed {seed}", "../../index.html")
        notebook.replace(made / "notebook.ipynb")
        runs.publish(made, final)
    metrics = runs.read(final)
    terminal.say(
        f"{label}  done in {metrics['seconds']['total']:.0f} s: epoch {metrics['best_epoch']} of "
        f"{metrics['epochs_run']}, val loss {metrics['val']['loss']:.4f}"
    )


def make_report(suite):
    """Execute the report notebook of a suite and put its page at `reports/<suite>/index.html`.

    Raises:
        runs.RunError: the suite has no runs.
    """
    runs.require_runs(suite)
    _make_page(runs.suite_dir(suite), "report", {"suite": suite}, f"{suite} report", f"Suite {suite}")


def make_study(name, suite):
    """Make a study's page, `reports/<suite>/studies/<name>/index.html`, and its table beside it.

    What the study is, and which run is which of its points, is left there too, in `study.json`. Where the
    suite has a page, it is made again, with the study in it.
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


def _make_page(folder, notebook, values, label, title, home=None):
    """Execute a notebook of `notebooks` into a folder, its page beside it as `index.html`."""
    with locks.hidden_folder(folder / notebook, "job") as scratch:
        executed, failed = scratch / f"{notebook}.ipynb", folder / f"{notebook}.failed.ipynb"
        execute_notebook(NOTEBOOKS / executed.name, executed, values, label, failed)
        pages.page(executed, scratch / "index.html", title, home)
        executed.replace(folder / executed.name)
        (scratch / "index.html").replace(folder / "index.html")
    page = folder / "index.html"
    shown = page.relative_to(runs.ROOT) if page.is_relative_to(runs.ROOT) else page
    terminal.say(f"{label}  {shown}")
