"""Data of one's own from a file to a page: scikit-learn's digits, three of them, with Spanish names."""

import re
import subprocess
import sys

import numpy as np
import pytest
from conftest import copied, engine, engine_call, program
from PIL import Image
from sklearn.datasets import load_digits

from fmnist_keras import runs

NAMES = ["cero", "uno", "dos"]
FOREIGN = r"Fashion-MNIST|Trouser|Ankle boot|[Tt]he paper|Table III|[Cc]uadro"


def digits():
    """The digits 0 to 2, enlarged to 28x28, as an .npz file has them."""
    found = load_digits(n_class=len(NAMES))
    images = np.zeros((len(found.target), 28, 28), "uint8")
    images[:, 2:26, 2:26] = np.kron(found.images * 255 / 16, np.ones((3, 3)))
    train, test = slice(400), slice(400, None)
    arrays = {"x_train": images[train], "y_train": found.target[train]}
    return arrays | {"x_test": images[test], "y_test": found.target[test], "class_names": NAMES}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A copy with the digits in its root, and of them an autoencoder, a classifier on it and a report."""
    root = copied(tmp_path_factory.mktemp("mis dígitos"), models=("model_4", "model_8"))
    np.savez_compressed(root / "digits.npz", **digits())
    suite = "data: digits.npz\nprotocol: paper\nepochs: 2\nbatch_size: 50\n"
    (root / "params" / "suites" / "digits.yaml").write_text(suite)
    for words in (("run", "model_4", "--suite"), ("run", "model_8", "--suite"), ("report",)):
        result = program(root, *words, "digits")
        assert result.returncode == 0, result.stdout
    return root


def test_a_run_records_its_data(root):
    for model in ("model_4", "model_8"):
        metrics = runs.read(root / "reports" / "digits" / model / "seed_0")
        assert metrics["data"]["name"] == "digits"
        assert metrics["data"]["class_names"] == NAMES
        assert [*metrics["data"]["sha256"]] == ["x_train", "y_train", "x_test", "y_test"]
        assert metrics["ran"]["departs"] == {}
        assert metrics["images"] == {"train": 400, "val": 137}
    assert np.shape(metrics["confusion"]) == (3, 3)


def test_its_pages_name_its_classes(root):
    """And nothing on them is about Fashion-MNIST or the paper's runs."""
    folder = root / "reports" / "digits"
    pages = [folder / "model_4/seed_0/notebook.html", folder / "model_8/seed_0/notebook.html"]
    for page in (*pages, folder / "index.html"):
        text = page.read_text(encoding="utf-8").replace("as in the paper", "")  # the parameters cell
        assert re.findall(FOREIGN, text) == []
        assert "cero" in text


def test_a_changed_file_trains_again(root):
    """A run is up to date by the arrays' SHA-256; a wrong file stops before any training."""

    def said():
        return engine(root, "suite=digits", "-n", check=False).stdout

    assert "2 of 2 runs are up to date" in said()
    kept = (root / "digits.npz").read_bytes()
    np.savez(root / "digits.npz", **digits())
    assert "2 of 2 runs are up to date" in said(), "packed otherwise, and the same arrays"
    np.savez(root / "digits.npz", **digits() | {"x_test": digits()["x_test"] // 2})
    assert "the SHA-256 of data, digits.npz, is another than it was" in said()
    (root / "digits.npz").write_bytes(kept[:-9])
    assert "data: digits.npz: is not a whole .npz file" in said()
    (root / "digits.npz").write_bytes(kept)


def test_the_explorer_shows_its_images(root):
    code = """from fmnist_keras import runs
from fmnist_keras.tools import explorer
folder = runs.suite_dir("digits")
kinds = [{name: runs.read(folder / name / "seed_0")} for name in ("model_4", "model_8")]
app = explorer.Explorer(*kinds)
print(app.problem.value, app.message.value, app.classes.value)"""
    result = subprocess.run(**engine_call(root) | {"args": [sys.executable, "-c", code]})
    assert re.search(r"dos, image \d+: mean squared error", result.stdout), result.stdout
    assert all(f">{name}</th>" in result.stdout for name in NAMES)
    assert "Trouser" not in result.stdout
    assert "knows other data" not in result.stdout


def test_predict_and_export_know_the_names(root, tmp_path):
    image = digits()["x_test"][0]
    Image.fromarray(np.pad(image, 8)).save(root / "cero.png")
    for model in ("model_8", "exports/model_8.keras"):
        result = program(root, "predict", model, "cero.png")
        assert re.search(r"cero\.png: (cero|uno|dos)\n", result.stdout), result.stdout
        assert "the data that this model knows may need other pictures" in result.stdout
        if model == "model_8":
            assert program(root, "export", "model_8").returncode == 0
    card = (root / "exports" / "model_8.keras.md").read_text()
    assert "logits (n, 3) float32" in card
    assert "cero, uno, dos" in card
    assert re.findall(FOREIGN, card) == []
