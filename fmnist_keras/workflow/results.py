"""What a suite came to, on the terminal: the last thing that the engine prints."""

from .. import params, runs
from . import terminal


def show(plan, suite, study=""):
    """Print a table, a row a run, and the address of the report's page.

    Args:
        plan: see `plan.jobs`.
        suite: its name.
        study: the name of the study whose page it is; of none, the suite's.
    """
    from tabulate import tabulate

    rows = [_row(job, model, seed, suite) for (model, seed), job in plan.items()]
    if rows:
        headers = ("model", "seed", "validation loss", "accuracy", "best epoch", "seconds", "")
        right = ("left", "right", "right", "right", "right", "right", "left")
        shown = len(headers) if any(row[-1] for row in rows) else -1  # no empty column at the end
        rows = [row[:shown] for row in rows]
        table = tabulate(rows, headers[:shown], "simple", disable_numparse=True, colalign=right[:shown])
        terminal.say(f"\n{table}\n")
    page = runs.suite_dir(suite) / (f"studies/{study}/index.html" if study else "index.html")
    if page.is_file():
        terminal.say(f"The report: {page.as_uri()}")


def _row(job, model, seed, suite):
    folder = runs.run_dir(suite, model, seed)
    metrics = runs.read(folder)
    failed = not job.current and folder.with_name(f"{folder.name}.failed.ipynb").exists()
    if metrics is None:  # what ended without a word, on a cluster or by kill -9, has left no notebook
        return model, seed, "", "", "", "", "failed" if failed else "no result"
    accuracy = f"{metrics['val']['accuracy']:.1%}" if "accuracy" in metrics["val"] else ""
    epochs = f"{metrics['best_epoch']} of {metrics['epochs_run']}"
    seconds = f"{metrics['seconds']['total']:,.0f}"
    if failed or not params.same(job.params, params.Params(**metrics["params"])):
        state = f"{'failed' if failed else 'no result'}; an earlier run stands"
    else:
        state = "stood" if job.current else ""
    return model, seed, f"{metrics['val']['loss']:.4f}", accuracy, epochs, seconds, state
