"""Keras' other backends: the same models train there, and a file from one gives the same numbers in another.

`make backends` installs JAX and PyTorch beside TensorFlow; without them these tests are skipped.
"""

import os
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from fmnist_keras import training
from fmnist_keras.tools import predict

OTHERS = ("jax", "torch")
TRAIN = """
import sys
import keras
import numpy as np
import fmnist_keras as fk
from fmnist_keras.workflow import experiments

backend, model, folder = sys.argv[1:]
assert keras.backend.backend() == backend
kind, params = experiments.for_run(model, "sample", 0)
params |= {"batch_size": 64, "epochs": 1, "encoder_from": None, "dtype_policy": None, "deterministic": False}
fk.training.prepare(params)
dataset = fk.data.load("sample", limit=128)
x_train, x_val = dataset.x_train, fk.data.to_float(dataset.x_val)
encoder = fk.models.encoder(params["latent_dim"], params["dropout"])
if kind == "autoencoder":
    decoder = fk.models.decoder(params["latent_dim"], params["dropout"], params["upsampling"])
    made, targets, val = fk.models.autoencoder(encoder, decoder), x_train, x_val
else:
    made = fk.models.classifier(encoder, params["final_activation"], params["train_encoder"])
    targets, val = dataset.y_train, dataset.y_val
loss = "mean_squared_error" if kind == "autoencoder" else keras.losses.SparseCategoricalCrossentropy(True)
made.compile(fk.training.optimizer(params), loss, **fk.training.compile_options())
before = [weight.copy() for weight in made.get_weights()]
history = fk.training.fit(made, x_train, targets, (x_val, val), params)  # two steps of 64
assert all(np.abs(old - new).max() > 0 for old, new in zip(before, made.get_weights()))
assert fk.training.evaluate(made, x_val, val)["loss"] > 0
made.save(f"{folder}/model.keras")
np.save(f"{folder}/outputs.npy", made.predict(x_val, verbose=0))
print("device:", fk.runs.device())
fk.training.accelerator = lambda: "what a GPU is told"
made.compile(fk.training.optimizer(params), loss, **fk.training.compile_options())
fk.training.fit(made, x_train, targets, (x_val, val), params)
"""


@pytest.mark.parametrize("model", ["model_4", "model_5"])
@pytest.mark.parametrize("backend", OTHERS)
def test_a_model_trained_on_another_backend_gives_the_same_numbers_here(backend, model, tmp_path, images):
    if find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed here: make backends")
    command = [sys.executable, "-c", TRAIN, backend, model, str(tmp_path)]
    clean = os.environ | {"KERAS_BACKEND": backend}
    result = subprocess.run(command, env=clean, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "device: " in result.stdout
    here = predict.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(
        training.predict(here, images[:128]), np.load(tmp_path / "outputs.npy"), atol=1e-5
    )
