"""Notebooks that stand in for the real ones when a test is about the engine: an epoch is a tick of a clock.

<<<<<<< HEAD
They keep the real parameters cell, import no Keras and train nothing, so that a run takes two seconds. Its
record is a landed one of its kind, with the run's own parameters. The report lists the runs.
=======
They keep the real parameters cell, import no Keras and train nothing, so that a run takes two seconds. Their
runs have a landed run's results, or the engine would train them again. The report lists the runs.
>>>>>>> 18a3812 (Tests of the engine: a story each; the stand-ins have a landed run's results)
"""

import nbformat

from fmnist_keras import runs

<<<<<<< HEAD
LANDED = {"autoencoder": "model_1", "classifier": "model_5"}  # in suite paper, seed 0

RUN = """
import json, os, shutil, time, zipfile
from fmnist_keras import params, runs

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
metrics |= {"epochs_run": values.epochs, "best_epoch": values.epochs}
metrics |= {"encoder_sha256": started_from, "started_from_sha256": started_from}
=======
TICK = 0.1  # seconds an epoch, unless the environment has other ones of a kind, as TICK_classifier

RUN = """
import hashlib, json, os, time, zipfile
from pathlib import Path
from fmnist_keras import params, runs

values = params.check(globals(), kind={kind!r})
metrics, encoder = json.loads(Path({landed!r}).read_text(encoding="utf-8")), {{}}
if values.encoder_from:
    source = runs.run_dir(values.suite, values.encoder_from, values.seed)
    assert (source / "encoder.keras").is_file(), source
    encoder = runs.check(source)
rows = ["epoch,loss,val_loss"]
for epoch in range(1, values.epochs + 1):
    time.sleep(float(os.environ.get(f"TICK_{{values.kind}}", {tick})))
    print(f"epoch {{epoch}}/{{values.epochs}}  loss 0.1000  val_loss 0.1000  best 0.1000", flush=True)
    rows.append(f"{{epoch}},0.1,0.1")

folder = runs.reports_dir() / values.run_dir
(folder / "figures").mkdir(parents=True)
(folder / "history.csv").write_text("\\n".join((*rows, "")))
weights = hashlib.sha256(f"{{time.time_ns()}} of {{values}}".encode()).hexdigest()
for name in ("model", "encoder")[: 2 if values.kind == "autoencoder" else 1]:
    with zipfile.ZipFile(folder / f"{{name}}.keras", "w") as archive:
        archive.writestr("weights", weights)
metrics |= {{name: getattr(values, name) for name in ("model", "suite", "seed")}}
metrics |= dict(base=values.base or values.model, changes=values.changes or {{}}, params=values.as_dict())
metrics["params"].pop("run_dir")
metrics |= dict(epochs_run=values.epochs, best_epoch=values.epochs, restored_epoch=values.epochs)
metrics["history_sha256"] = runs.text_sha256(folder / "history.csv")
metrics["encoder_sha256"] = weights if values.train_encoder else encoder["encoder_sha256"]
if values.kind == "classifier":
    metrics["started_from_sha256"] = encoder.get("encoder_sha256", "random")
>>>>>>> 18a3812 (Tests of the engine: a story each; the stand-ins have a landed run's results)
(folder / "metrics.json").write_text(json.dumps(metrics))
"""

REPORT = """
import html
from IPython.display import HTML
from fmnist_keras import runs

runs.require_runs(suite)
folder, lines = runs.suite_dir(suite), []
for run in runs.read_suite(suite):
    page = (run["folder"] / "notebook.html").relative_to(folder)
    lines.append(f'<a href="{page}">{html.escape(run["model"])}</a>')
for path in sorted(folder.glob("*/seed_*.failed.ipynb")):
    lines.append(f"Failed: {html.escape(path.parent.name)}, {path.name.split('.')[0]}")
HTML("<br>".join(lines))
"""


def write(folder, report=True):
    """Replace the notebooks of both kinds in a folder, `notebooks` of a copy, and the `report`."""
<<<<<<< HEAD
    (folder / "landed").mkdir()
    for kind, model in LANDED.items():
        landed = runs.ROOT / "reports" / "paper" / model / "seed_0"
        (folder / "landed" / f"{kind}.csv").write_bytes((landed / "history.csv").read_bytes())
        (folder / "landed" / f"{kind}.json").write_bytes((landed / "metrics.json").read_bytes())
    for name in (*LANDED, *(["report"] if report else [])):
=======
    landed = {"autoencoder": "model_4", "classifier": "model_8"}
    sources = {"report": REPORT} if report else {}
    for kind, model in landed.items():
        path = runs.ROOT / "reports" / "paper" / model / "seed_0" / "metrics.json"
        sources[kind] = RUN.format(kind=kind, tick=TICK, landed=str(path))
    for name, source in sources.items():
>>>>>>> 18a3812 (Tests of the engine: a story each; the stand-ins have a landed run's results)
        notebook = nbformat.read(folder / f"{name}.ipynb", 4)
        kept = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ())]
        source = REPORT if name == "report" else RUN
        notebook.cells = [*kept, nbformat.v4.new_code_cell(source, metadata={"tags": ["first"]})]
        nbformat.write(notebook, folder / f"{name}.ipynb")
