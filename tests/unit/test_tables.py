from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from IPython.core.formatters import DisplayFormatter
from markupsafe import Markup
from scipy import stats

from fmnist_keras import evaluation
from fmnist_keras.report import claims, display, tables


def run(name="model_5", accuracy=0.9, test=0.88, folder=Path("no folder"), **params):
    return {
        "folder": folder,
        "model": name,
        "seed": 3,
        "params": {"latent_dim": 64, "optimizer": "adam"} | params,
        "val": {"loss": 0.3, "accuracy": accuracy},
        "test": {"loss": 0.3, "accuracy": test},
        "best_epoch": 7,
        "epochs_run": 12,
    }


def test_a_table_is_text_too():
    """As LaTeX and Word show it: the page's cells, without links, none of which is two."""
    frame = pd.DataFrame({"run": [Markup('<a href="x">a|b</a>'), "c\nd"], "loss": [0.12345, np.nan]})
    frame.attrs["format"] = {"loss": "{:.2f}"}
    data, _ = DisplayFormatter().format(display.table(frame, index=False))
    assert data["text/markdown"] == data["text/plain"]
    assert data["text/plain"].splitlines() == [
        "| run | loss |",
        "| --- | --- |",
        r"| a\|b | 0.12 |",
        "| c d | – |",
    ]
    named = display.table(frame.set_index(pd.Index(["one", "two"], name="which")))
    assert repr(named).splitlines()[::2] == ["| which | run | loss |", r"| one | a\|b | 0.12 |"]


def test_holdout_shows_what_choosing_on_the_test_images_flatters():
    table = tables.holdout({"model_5": [run(accuracy=0.91, test=0.89)]}, {"model_5": [run(accuracy=0.92)]})
    assert table.loc["model_5"].tolist() == [1, "92.0 %", "91.0 %", "89.0 %", "+2.0", "+3.0"]
    assert tables.holdout({"model_9": [run()]}, {}).iloc[0, [1, 5]].tolist() == [tables.MISSING] * 2
    honest = {"model_5": [run(accuracy=0.91, test=0.89), run(accuracy=0.93, test=0.90)]}
    flattered = {"model_5": [run(accuracy=0.92), run(accuracy=0.93), run(accuracy=0.94)]}
    *_, choosing, paper = tables.holdout(honest, flattered).loc["model_5"]
    assert choosing == "+2.5 (-3.9 to +8.9)"  # Student's t of 2 and 3 points: 2.5 ± 12.71 * 0.5
    low, high = stats.ttest_ind([92, 93, 94], [89, 90], equal_var=False).confidence_interval()
    assert paper == f"+3.5 ({low:+.1f} to {high:+.1f})"
    assert tables.holdout({}, {}).empty


def test_baselines_beside_the_best_autoencoder():
    """Principal components are compared with autoencoders of that length, guesses with all."""
    grouped = {"a": [run("a"), run("a")], "b": [run("b", latent_dim=128)]}
    grouped["b"][0]["val"] = {"loss": 0.02}
    table = tables.baselines({"mean image": 0.08, "64": 0.5, "256": 0.003}, grouped)
    assert table.loc["mean image"].tolist() == ["0.0800", "b 0.0200", "0.2", "a: 2 of 2"]
    assert table.loc["64 principal components"].tolist() == ["0.5000", "a 0.3000", "0.6", "none"]
    assert table.loc["256 principal components", "ratio"] == tables.MISSING


def test_claims_escape_what_they_show_and_link_to_their_section():
    row = {"claim": "<script>", "section": "Autoencoders: errors"}
    assert claims.link(row) == '<a href="#Autoencoders:-errors">&lt;script&gt;</a>'
    assert claims.badge(claims.OPEN) == '<b class="verdict open">undecided</b>'


def test_baseline_errors_agree_with_scikit_learn(images):
    """They fall from one grey to the mean image, and with more components."""
    from sklearn.decomposition import PCA

    errors = evaluation.baseline_errors(images[:200], images[200:], [4, 32])
    assert errors["constant grey"] == pytest.approx(np.mean((images[200:] - images[:200].mean()) ** 2))
    assert errors["mean image"] == pytest.approx(np.mean((images[200:] - images[:200].mean(axis=0)) ** 2))
    assert list(errors.values()) == sorted(errors.values(), reverse=True)
    assert list(errors) == ["constant grey", "mean image", "4", "32"]
    pca = PCA(4, svd_solver="full").fit(images[:200].reshape(200, -1))
    flat = images[200:].reshape(56, -1)
    expected = np.mean((flat - pca.inverse_transform(pca.transform(flat))) ** 2)
    assert errors["4"] == pytest.approx(expected, rel=1e-3)
