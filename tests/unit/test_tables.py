from pathlib import Path

import numpy as np
import pytest

from fmnist_keras import evaluation
from fmnist_keras.report import claims, tables


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


def test_ablations_name_their_base_and_the_change():
    table = tables.ablations({"odd": [run("odd", optimizer="sgd")]}, {"odd": ("model_5", "optimizer")})
    assert table.loc["odd", ["starts from", "changes", "best epoch"]].tolist() == [
        "model_5",
        "optimizer: sgd",
        "7",
    ]


def test_an_ablation_links_to_the_pages_that_there_are(tmp_path):
    (tmp_path / "notebook.html").touch()
    for folder, cell in ((tmp_path, '<a href="odd/seed_3/notebook.html">3</a>'), (tmp_path / "none", "3")):
        table = tables.ablations({"odd": [run("odd", folder=folder)]}, {"odd": ("model_5", "optimizer")})
        assert table.loc["odd", "seeds"] == cell


def test_holdout_shows_what_choosing_on_the_test_images_flatters():
    table = tables.holdout({"model_5": [run(accuracy=0.91, test=0.89)]}, {"model_5": [run(accuracy=0.92)]})
    assert table.loc["model_5"].tolist() == [1, "92.0 %", "91.0 %", "89.0 %", "-2.0 pp"]
    assert tables.holdout({"model_9": [run()]}, {}).iloc[0, 1] == tables.MISSING
    assert tables.holdout({}, {}).empty


def test_baselines_stand_beside_the_best_autoencoder_of_that_length():
    grouped = {"a": [run("a")], "b": [run("b")]}
    grouped["b"][0]["val"] = {"loss": 0.02}
    table = tables.baselines({"64": 0.01, "128": 0.006}, grouped)
    assert table.loc["64"].tolist() == ["0.0100", "b 0.0200", "2.0"]
    assert table.loc["128", "ratio"] == tables.MISSING


def test_claims_escape_what_they_show_and_link_to_their_section():
    rows = claims.judge({})
    rows[0]["number"] = "<script>alert(1)</script>"
    table = tables.claims(rows)
    assert table["measured"][0] == "&lt;script&gt;alert(1)&lt;/script&gt;"
    assert '<a href="#Autoencoders:-the-errors">C1</a>' in table[""][0]
    assert len(table) == 14


def test_pca_errors_agree_with_scikit_learn_and_fall_with_more_components(images):
    from sklearn.decomposition import PCA

    errors = evaluation.pca_errors(images[:200], images[200:], [4, 32])
    pca = PCA(4, svd_solver="full").fit(images[:200].reshape(200, -1))
    flat = images[200:].reshape(56, -1)
    expected = np.mean((flat - pca.inverse_transform(pca.transform(flat))) ** 2)
    assert errors["4"] == pytest.approx(expected, rel=1e-3)
    assert errors["32"] < errors["4"]
