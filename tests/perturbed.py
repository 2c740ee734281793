"""A suite of many seeds, made by perturbing the landed runs: for trying out the report, and nothing else.

`python tests/perturbed.py FOLDER 30` writes FOLDER/paper, makes its page, judges its claims again, and prints
how long both took. Seed 0 is landed; the others vary as seeds of ours do.
"""

import copy
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

from fmnist_keras import evaluation, params, runs


def write(reports, seeds, suite="paper"):
    """Write a suite of this many seeds of every landed model and ablation below the folder `reports`."""
    for name in params.names():
        path = runs.ROOT / "reports" / "paper" / name / "seed_0" / "metrics.json"
        if not path.is_file():  # an ablation that equals another model has no run of its own
            continue
        landed, history = json.loads(path.read_text()), pd.read_csv(path.with_name("history.csv"))
        for seed in range(seeds):
            folder = Path(reports) / suite / name / f"seed_{seed}"
            folder.mkdir(parents=True)
            rng = np.random.default_rng([seed, *name.encode()])
            made, rows = perturb(landed, history, rng) if seed else (landed, history)
            made = made | {
                "suite": suite,
                "seed": seed,
                "params": made["params"] | {"suite": suite, "seed": seed},
            }
            text = rows.to_csv(index=False).encode()
            (folder / "history.csv").write_bytes(text)
            made["history_sha256"] = hashlib.sha256(text).hexdigest()
            (folder / "metrics.json").write_text(json.dumps(made))
        if (path.parent / "figures").is_dir():
            shutil.copytree(path.parent / "figures", Path(reports) / suite / name / "seed_0" / "figures")
            (Path(reports) / suite / name / "seed_0" / "notebook.html").touch()
    for name in ("baselines.json",):
        shutil.copy(runs.ROOT / "reports" / "paper" / name, Path(reports) / suite / name)


def perturb(landed, history, rng):
    """Another seed's `metrics.json` and `history.csv`, from those of one."""
    made = copy.deepcopy(landed)
    history = history.copy()
    factor = np.exp(rng.normal(0, 0.02))
    history.loc[:, [c for c in history if c.endswith("loss")]] *= factor
    made["train"]["loss"] *= factor
    ran = int(np.clip(landed["epochs_run"] + rng.integers(-4, 5), 5, landed["params"]["epochs"]))
    at = np.linspace(0, len(history) - 1, ran).round().astype(int)
    history = history.iloc[at].assign(epoch=range(1, ran + 1))
    made.update(epochs_run=ran, best_epoch=max(1, ran - int(rng.choice([0, 1, 5]))))
    made["stopped_early"] = ran < landed["params"]["epochs"]
    if landed["kind"] == "autoencoder":
        errors = evaluation.unpack(landed["image_errors"])
        made["image_errors"] = evaluation.pack(errors * factor * np.exp(rng.normal(0, 0.1, len(errors))))
        made["val"]["loss"] = evaluation.unpack(made["image_errors"]).mean()
        for part in ("mse_inside", "mse_outside"):
            made["stripes"][part] *= factor
    else:
        made["val"]["loss"] *= factor
        made["train"]["accuracy"] += rng.normal(0, 0.002)
        _other_predictions(made, rng)
    return made, history


def _other_predictions(made, rng):
    """One in twenty predictions drawn anew from its class's, and shirts more or less often T-shirts."""
    labels, taken = (np.array(list(made[name])).astype(int) for name in ("labels", "predictions"))
    shares = evaluation.normalised_rows(made["confusion"])
    anew = np.flatnonzero(rng.random(len(labels)) < 0.05)
    taken[anew] = [rng.choice(10, p=shares[label]) for label in labels[anew]]
    old, new = rng.permutation([0, 6])
    shirts = np.flatnonzero((labels == 6) & (taken == old))
    taken[rng.permutation(shirts)[: int(len(shirts) * abs(rng.normal(0, 0.1)))]] = new
    made["predictions"] = "".join(map(str, taken))
    made["confusion"] = evaluation.confusion_counts(labels, taken).tolist()
    made["val"]["accuracy"] = float(np.mean(labels == taken))


def timed(reports, *command):
    """The wall seconds of a command of the package on the suites in the folder `reports`."""
    began = time.perf_counter()
    environment = os.environ | {"REPORTS_DIR": str(reports), "PYTHONPATH": str(runs.ROOT)}
    command = [sys.executable, "-m", "fmnist_keras", *command]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


if __name__ == "__main__":
    folder, count = sys.argv[1:]
    write(folder, int(count))
    seconds = [timed(folder, command, "paper") for command in ("report", "claims")]
    size = (Path(folder) / "paper" / "index.html").stat().st_size / 1e6
    print(f"{count} seeds: page {size:.2f} MB in {seconds[0]:.1f} s, claims judged in {seconds[1]:.1f} s")
