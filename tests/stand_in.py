"""Notebooks that stand in for the real ones when a test is about the engine: an epoch is a tick of a clock.

They keep the real parameters cell, import no Keras and train nothing, so that a run takes two seconds. Their
runs are whole, or the engine would train them again. The report lists the runs, and imports no pandas.
"""

import nbformat

TICK = 0.1  # seconds an epoch, unless the environment has other ones of a kind, as TICK_classifier

RUN = """
import hashlib, json, os, time, zipfile
from fmnist_keras import evaluation, params, runs

values = params.check(globals(), kind={kind!r})
classifier, images = values.kind == "classifier", values.limit or 1000
started_from = "random"
if values.encoder_from:
    source = runs.run_dir(values.suite, values.encoder_from, values.seed)
    assert (source / "encoder.keras").is_file(), source
    started_from = runs.check(source)["encoder_sha256"]
figures = ("loss", "val_loss") + ("accuracy", "val_accuracy") * classifier
rows = [",".join(("epoch", *figures))]
for epoch in range(1, values.epochs + 1):
    time.sleep(float(os.environ.get(f"TICK_{{values.kind}}", {tick})))
    line = "  ".join(f"{{name}} 0.1000" for name in figures)
    print(f"epoch {{epoch}}/{{values.epochs}}  {{line}}  best 0.1000", flush=True)
    rows.append(",".join((str(epoch), *["0.1"] * len(figures))))

folder = runs.reports_dir() / values.run_dir
(folder / "figures").mkdir(parents=True)
(folder / "history.csv").write_text("\\n".join((*rows, "")))
given = values.as_dict()
del given["run_dir"]
weights = hashlib.sha256(f"{{time.time_ns()}} of {{given}}".encode()).hexdigest()
for name in ("model", "encoder")[: 1 if classifier else 2]:
    with zipfile.ZipFile(folder / f"{{name}}.keras", "w") as archive:
        archive.writestr("weights", weights)
reached = {{"loss": 0.1}} | ({{"accuracy": 0.9}} if classifier else {{}})
of_kind = dict(
    stripes=dict(constant_pixels=0, mse_inside=0.1, mse_outside=0.1, floor=0.0),
    pixel_errors=evaluation.pack([0.1] * 784),
    image_errors=evaluation.pack([0.1] * images),
)
if classifier:
    digits = "0123456789" * images
    of_kind = dict(
        confusion=[[9 * (row == column) for column in range(10)] for row in range(10)],
        calibration=dict(count=[0] * 15, confidence=[0.0] * 15, accuracy=[0.0] * 15, ece=0.0),
        predictions=digits[:images],
        labels=digits[:images],
        started_from_sha256=started_from,
    )
metrics = dict(
    schema_version=2,
    model=values.model,
    kind=values.kind,
    suite=values.suite,
    seed=values.seed,
    params=given,
    epochs_run=values.epochs,
    best_epoch=values.epochs,
    stopped_early=False,
    images=dict(train=images, val=images),
    train=reached,
    val=reached,
    encoder_sha256=started_from if values.encoder_from and not values.train_encoder else weights,
    history_sha256=runs.text_sha256(folder / "history.csv"),
    parameters=dict(total=1000, trainable=1000),
    seconds=dict(fit=values.epochs * {tick}, total=values.epochs * {tick} + 1),
    data_sha256=dict(),
    versions=dict(keras="none"),
    backend="none",
    device="CPU: none",
)
(folder / "metrics.json").write_text(json.dumps(metrics | of_kind))
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
    sources = {kind: RUN.format(kind=kind, tick=TICK) for kind in ("autoencoder", "classifier")}
    for name, source in (sources | ({"report": REPORT} if report else {})).items():
        notebook = nbformat.read(folder / f"{name}.ipynb", 4)
        kept = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ())]
        notebook.cells = [*kept, nbformat.v4.new_code_cell(source, metadata={"tags": ["first"]})]
        nbformat.write(notebook, folder / f"{name}.ipynb")
