"""Notebooks that stand in for the real ones where a test is about the engine: an epoch is a tick of a clock.

They keep the real parameters cell, import no Keras and train nothing, so that a run takes two seconds; what
they leave looks like what the real ones leave, which test_pipeline.py compares. The report keeps its own
cells, but those that name what a suite holds alone: its figures take most of its time.
"""

import nbformat

TICK = 0.1  # seconds an epoch

RUN = """
import hashlib, json, time, zipfile
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
    time.sleep({tick})
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
    history_sha256=runs.integrity.text_sha256(folder / "history.csv"),
    parameters=dict(total=1000, trainable=1000),
    seconds=dict(fit=values.epochs * {tick}, total=values.epochs * {tick} + 1),
    data_sha256=dict(),
    versions=dict(keras="none"),
    backend="none",
    device="CPU: none",
)
(folder / "metrics.json").write_text(json.dumps(metrics | of_kind))
"""


# Of the report's cells: what finds the runs, and what names the runs, the failed ones and the studies.
REPORT = ("require_runs", "text.introduction", "studies.summary", "tables.every_run", "machines.environments")


def write(folder):
    """Replace the notebooks of both kinds in a folder, `notebooks` of a copy, and shorten the report's."""
    for kind in ("autoencoder", "classifier"):
        notebook = nbformat.read(folder / f"{kind}.ipynb", 4)
        kept = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ())]
        source = RUN.format(kind=kind, tick=TICK)
        notebook.cells = [*kept, nbformat.v4.new_code_cell(source, metadata={"tags": ["first"]})]
        nbformat.write(notebook, folder / f"{kind}.ipynb")
    report = nbformat.read(folder / "report.ipynb", 4)
    report.cells = [
        cell
        for cell in report.cells
        if "parameters" in cell.metadata.get("tags", ()) or any(word in cell.source for word in REPORT)
    ]
    nbformat.write(report, folder / "report.ipynb")
