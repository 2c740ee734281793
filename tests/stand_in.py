"""Notebooks that stand in for the real ones when a test is about the engine: an epoch is a tick of a clock.

They keep the real parameters cell, import no Keras and train nothing, so that a run takes two seconds. Its
record is a landed one of its kind, with the run's own parameters. The report lists the runs.
"""

import nbformat

from fmnist_keras import runs

LANDED = {"autoencoder": "model_1", "classifier": "model_8"}  # in suite paper, seed 0

RUN = """
import json, os, shutil, time, zipfile
import fmnist_keras.data
from fmnist_keras import params, runs

"It writes what run.finish(...) would, which the engine looks for."
values, landed = params.check(globals()), runs.ROOT / "notebooks" / "landed"
started_from = f"random {time.time_ns()}"
if values.encoder_from:
    source = runs.run_dir(values.suite, values.encoder_from, values.seed)
    assert (source / "encoder.keras").is_file(), source
    started_from = runs.check(source)["encoder_sha256"]
for epoch in range(1, values.epochs + 1):
    time.sleep(float(os.environ.get(f"TICK_{values.kind}", 0.1)))
    print(f"epoch {epoch}/{values.epochs}  loss 0.1000  val_loss 0.1000  best 0.1000", flush=True)

folder = runs.reports_dir() / values.run_dir
folder.mkdir(parents=True)
shutil.copy(landed / f"{values.kind}.csv", folder / "history.csv")
given = {name: value for name, value in values.as_dict().items() if name != "run_dir"}
for name in ("model", "encoder")[: 1 if values.kind == "classifier" else 2]:
    with zipfile.ZipFile(folder / f"{name}.keras", "w") as archive:
        archive.writestr("weights", started_from)
metrics = json.loads((landed / f"{values.kind}.json").read_text())
metrics |= {"model": values.model, "suite": values.suite, "seed": values.seed, "params": given}
metrics |= {"base": values.base or values.model, "changes": values.changes or {}}
metrics |= dict.fromkeys(("epochs_run", "best_epoch", "restored_epoch"), values.epochs)
metrics["data"] |= {"sha256": fmnist_keras.data.sha256(values.data)}
metrics |= {"encoder_sha256": started_from, "started_from_sha256": started_from}
(folder / "metrics.json").write_text(json.dumps(metrics))
"""

REPORT = """
import html
from IPython.display import HTML
from fmnist_keras import runs

runs.require_runs(suite)
folder, lines = runs.suite_dir(suite), []
for run in runs.read_all(suite)[0]:
    page = (run["folder"] / "notebook.html").relative_to(folder)
    lines.append(f'<a href="{page}">{html.escape(run["model"])}</a>')
for path in sorted(folder.glob("*/seed_*.failed.ipynb")):
    lines.append(f"Failed: {html.escape(path.parent.name)}, {path.name.split('.')[0]}")
HTML("<br>".join(lines))
"""


def write(folder, report=True):
    """Replace the notebooks of both kinds in a folder, `notebooks` of a copy, and the `report`."""
    (folder / "landed").mkdir()
    for kind, model in LANDED.items():
        landed = runs.ROOT / "reports" / "paper" / model / "seed_0"
        (folder / "landed" / f"{kind}.csv").write_bytes((landed / "history.csv").read_bytes())
        (folder / "landed" / f"{kind}.json").write_bytes((landed / "metrics.json").read_bytes())
    for name in (*LANDED, *(["report"] if report else [])):
        notebook = nbformat.read(folder / f"{name}.ipynb", 4)
        kept = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ())]
        source = REPORT if name == "report" else RUN
        notebook.cells = [*kept, nbformat.v4.new_code_cell(source, metadata={"tags": ["first"]})]
        nbformat.write(notebook, folder / f"{name}.ipynb")
