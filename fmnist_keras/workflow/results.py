"""What a suite came to, on the terminal: the last thing that the engine prints."""

from .. import runs


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
        table = tabulate(rows, headers, "simple", disable_numparse=True, colalign=right)
        print("", table, "", sep="\n", flush=True)
    page = runs.suite_dir(suite) / (f"studies/{study}/index.html" if study else "index.html")
    if page.is_file():
        print(f"The report: {page.as_uri()}", flush=True)


def _row(job, model, seed, suite):
    folder = runs.run_dir(suite, model, seed)
    metrics = runs.read(folder)
    if metrics is None or (not job.current and folder.with_name(f"{folder.name}.failed.ipynb").exists()):
        return model, seed, "", "", "", "", "failed" if metrics is None else "failed; an earlier run stands"
    accuracy = f"{metrics['val']['accuracy']:.1%}" if "accuracy" in metrics["val"] else ""
    epochs = f"{metrics['best_epoch']} of {metrics['epochs_run']}"
    seconds = f"{metrics['seconds']['total']:,.0f}"
    stood = "stood" if job.current else ""
    return model, seed, f"{metrics['val']['loss']:.4f}", accuracy, epochs, seconds, stood
