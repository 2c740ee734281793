"""Keras' other backends: the same models train there, and a file from one gives the same numbers in another.

`make backends` installs JAX and PyTorch beside TensorFlow; without them these tests are skipped. Long: most
checkouts have no other backend, and each is imported in a process of its own.
"""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from fmnist_keras import training
from fmnist_keras.tools import predict

pytestmark = pytest.mark.long
OTHERS = {"jax": "model_4", "torch": "model_5"}  # an autoencoder on one, a classifier on the other
TESTS = str(Path(__file__).parents[1])  # where conftest.py is
TRAIN = """
import sys
from dataclasses import replace
import conftest
import keras
import numpy as np
import fmnist_keras as fk

backend, model, folder = sys.argv[1:]
assert keras.backend.backend() == backend
params = replace(fk.params.load_all()[model], batch_size=64, epochs=1)
fk.training.seed_everything(0)
dataset, made = fk.data.load("sample", limit=128), conftest.build(params)
conftest.compile_model(made, params)
before = [weight.copy() for weight in made.get_weights()]
train, val = dataset.batches(64, targets="images" if params.kind == "autoencoder" else "labels")
callbacks = fk.training.callbacks()
history = made.fit(train, validation_data=val, callbacks=callbacks, verbose=0)  # two steps of 64
assert (history.best_epoch, history.steps) == (1, 2)
assert all(np.abs(old - new).max() > 0 for old, new in zip(before, made.get_weights()))
made.save(f"{folder}/model.keras")
np.save(f"{folder}/outputs.npy", made.predict(dataset.x_val, verbose=0))
print("device:", fk.runs.device())
"""


@pytest.mark.parametrize(("backend", "model"), OTHERS.items())
def test_numbers_are_the_same_here(backend, model, tmp_path, images):
    if find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed here: make backends")
    command = [sys.executable, "-c", TRAIN, backend, model, str(tmp_path)]
    clean = os.environ | {"KERAS_BACKEND": backend, "PYTHONPATH": os.pathsep.join([TESTS, *sys.path])}
    result = subprocess.run(command, env=clean, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "device: " in result.stdout
    here = predict.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(
        training.predict(here, images[:128]), np.load(tmp_path / "outputs.npy"), atol=1e-5
    )
