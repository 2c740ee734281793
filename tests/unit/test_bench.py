import json
import sys

import keras
import numpy as np
import pytest
from conftest import build

from fmnist_keras import params, runs

sys.path.insert(0, str(runs.ROOT / "benchmarks"))
import bench

LANDED = runs.ROOT / "reports" / "bench.json"


@pytest.fixture(scope="module")
def sections():
    return json.loads(LANDED.read_text(encoding="utf-8"))["sections"]


def test_landed_page_has_the_numbers(tmp_path):
    (tmp_path / "bench.json").write_bytes(LANDED.read_bytes())
    bench.write_page(tmp_path / "bench.json")
    landed = LANDED.with_suffix(".md").read_text(encoding="utf-8")
    assert (tmp_path / "bench.md").read_text(encoding="utf-8") == landed


@pytest.mark.parametrize("name", bench.SECTIONS)
def test_landed_rows_are_those_measured(name, sections, tmp_path):
    """A way that is no longer measured leaves bench.json, and a new one is measured before it is cited."""
    made = object.__new__(bench.Bench)
    made.quick, made.folder, made.root = False, tmp_path, tmp_path
    made.engine = lambda *config: 0.0
    made.write_suite = lambda *name, **values: None
    path = tmp_path / "params" / "model_8.yaml"
    path.parent.mkdir()
    path.write_text("learning_rate: 0.001")
    assert set(bench.SECTIONS[name](made)) == set(sections[name]["ways"])


def test_a_ratio_above_one_is_faster():
    """More images a second, or fewer seconds."""
    ways = {bench.PROJECT: [{"m": 2.0}, {"m": 4.0}, {"m": 9.0}], "Keras": [{"m": 2.0}]}
    assert bench.medians({"ways": ways}).loc["m"].tolist() == [4.0, 2.0]
    assert bench.ratios({"ways": ways, "unit": "images/s"}).loc["m", "Keras"] == 2
    assert bench.ratios({"ways": ways, "unit": "s"}).loc["m", "Keras"] == 0.5


def test_plain_keras_has_its_own_layers(images):
    import keras_script

    ours = build(params.load_all()["model_8"])
    own = keras_script.of_keras_own_layers(ours)
    layers = [layer for part in own.layers for layer in getattr(part, "layers", [part])]
    assert all(type(layer) is getattr(keras.layers, type(layer).__name__) for layer in layers)
    np.testing.assert_allclose(ours.predict(images, verbose=0), own.predict(images, verbose=0), atol=1e-6)
