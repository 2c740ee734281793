import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from conftest import build, compile_model, fit_small_classifier
from scipy import stats

from fmnist_keras import models, params

LOAD = """
import sys, keras, numpy as np
model = keras.saving.load_model(sys.argv[1])
assert "fmnist_keras" not in sys.modules
kinds = {type(layer) for part in model.layers for layer in getattr(part, "layers", [part])}
assert {keras.layers.Dropout, keras.layers.MaxPooling2D} <= kinds, kinds
assert type(model.optimizer) is keras.optimizers.Adam, type(model.optimizer)
x = np.load(sys.argv[2])
np.save(sys.argv[3], model.predict(x, verbose=0))
model.run_eagerly = True  # for one step, sooner than a graph
model.fit(x[:10], np.zeros(10), epochs=1, verbose=0)
"""


def test_a_saved_model_needs_nothing_of_ours(tmp_path, images):
    values = params.load_all()["model_5"]
    model = build(values)
    compile_model(model, values)
    model.run_eagerly = True
    model.fit(images[:20], np.zeros(20), verbose=0)
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "images.npy", images)
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    files = [str(tmp_path / name) for name in ("model.keras", "images.npy", "outputs.npy")]
    subprocess.run([sys.executable, "-c", LOAD, *files], check=True, cwd=tmp_path, env=env)
    np.testing.assert_allclose(np.load(files[2]), model.predict(images, verbose=0), atol=1e-5)


@pytest.mark.long
def test_losses_differ_no_more_than_seeds_do(monkeypatch):
    """tests/unit/test_layers.py compares the layer with its definition in a second; this is ten fits."""
    ours = [fit_small_classifier(seed) for seed in range(5)]
    monkeypatch.setattr(models, "Dropout", keras.layers.Dropout)
    theirs = [fit_small_classifier(seed) for seed in range(5)]
    assert ours != theirs
    assert stats.ttest_rel(ours, theirs).pvalue > 0.01
    assert abs(np.mean(ours) - np.mean(theirs)) < np.std([ours, theirs], axis=1).max() * 2
