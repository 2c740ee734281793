"""Train models with Keras, for the benchmark: as this project does it, or as a plain script would.

`--how project` goes through fmnist_keras.training as the notebooks do. `--how plain` is what Keras' own
examples do: Keras' own layers, compiled with a loss and an optimizer, `fit` on arrays. The data, the epochs
and the evaluation are the same. One line an epoch goes to stdout; bench.py takes the time of each line.
"""

import argparse
import functools
import os
import sys
import time
from pathlib import Path

import floor

from fmnist_keras.workflow.execute import KERNEL_ENVIRONMENT

if "project" in sys.argv:  # TensorFlow settles at its import how it computes: for a rival by its own defaults
    os.environ |= KERNEL_ENVIRONMENT | os.environ
import keras

import fmnist_keras as fk
from fmnist_keras.workflow import experiments

BATCHES = fk.training.batches  # before `self_tuned` takes its place


class Line(keras.callbacks.Callback):
    """One line an epoch, as the project prints it, where the progress bar would be."""

    def on_epoch_end(self, epoch, logs=None):
        """Print the line."""
        print(f"epoch {epoch + 1}/{self.params['epochs']}  val_loss {logs['val_loss']:.4f}", flush=True)


def build(params, encoders):
    """The model of a run, from the project's own builders; a classifier's encoder from its file."""
    encoder = fk.models.encoder(params["latent_dim"], params["dropout"])
    if "upsampling" in params:
        decoder = fk.models.decoder(params["latent_dim"], params["dropout"], params["upsampling"])
        return fk.models.autoencoder(encoder, decoder)
    if encoders:
        encoder.load_weights(encoders / f"{params['encoder_from']}.weights.h5")
    return fk.models.classifier(encoder, params["final_activation"], params["train_encoder"])


def of_keras_own_layers(model):
    """The same model, with the same weights, of Keras' own layers alone.

    A model's config names our Dropout as Keras', as its file does: what comes from it has Keras'.

    Raises:
        TypeError: a layer is still not Keras' own.
    """
    own = keras.Sequential.from_config(model.get_config())
    for layer in floor.in_order(own):
        if type(layer) is not getattr(keras.layers, type(layer).__name__, None):
            raise TypeError(f"{layer.name}: {type(layer)} is not a layer of Keras' own")
    own.set_weights(model.get_weights())
    return own


def loss_and_metrics(params):
    """What an autoencoder, or a classifier, is compiled with, as arguments of `compile`."""
    if "upsampling" in params:
        return {"loss": "mean_squared_error"}
    return {"loss": keras.losses.SparseCategoricalCrossentropy(from_logits=True), "metrics": ["accuracy"]}


def compile_plain(model, params, jit):
    """`compile` with Keras' defaults; `jit` is its `jit_compile`."""
    if params["optimizer"] == "adam":
        optimizer = keras.optimizers.Adam(params["learning_rate"], epsilon=params["epsilon"])
    else:
        optimizer = keras.optimizers.SGD(params["learning_rate"])
    model.compile(optimizer=optimizer, jit_compile=jit, **loss_and_metrics(params))


def fit_plain(model, x_train, targets, validation_data, params, *callbacks):
    """`fit` with Keras' defaults on arrays, early stopping as in the project; seconds of `fit`."""
    stop = keras.callbacks.EarlyStopping(
        patience=params["patience"], min_delta=params["min_delta"], restore_best_weights=True
    )
    start = time.perf_counter()
    model.fit(
        x_train,
        targets,
        batch_size=params["batch_size"],
        epochs=params["epochs"],
        validation_data=validation_data,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    return time.perf_counter() - start


def compile_as_notebook(model, params):
    """`compile` as the project's notebooks have it."""
    options = loss_and_metrics(params) | fk.training.compile_options()
    model.compile(optimizer=fk.training.optimizer(params), **options)


def self_tuned(*args, **kwargs):
    """The project's batches, but with the self-tuning that TensorFlow's pipelines have by default."""
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = True
    return BATCHES(*args, **kwargs).with_options(options)


def train(name, given):
    """One model, from its parameters to its losses."""
    kind, params = experiments.for_run(name, given.suite, seed=0)
    params |= {"epochs": given.epochs or params["epochs"]}
    limit = given.limit or params.get("limit")
    val_limit = given.val_limit or params.get("limit")
    fk.training.seed_everything(0)
    dataset = load(params["data"], params["protocol"])
    x_train, x_val = dataset.x_train[:limit], fk.data.to_float(dataset.x_val[:val_limit])
    if given.how == "plain":
        x_train = fk.data.to_float(x_train)
    y_train, y_val = dataset.y_train[:limit], dataset.y_val[:val_limit]
    if kind == "autoencoder":
        y_train, y_val = x_train, x_val
    model = build(params, given.encoders)
    if given.how == "plain" or given.keras_layers:
        model = of_keras_own_layers(model)
    print(f"{name} parameters {model.count_params()}", flush=True)
    if given.how == "project":
        if given.autotune:
            fk.training.batches = self_tuned
        compile_as_notebook(model, params)
        if given.steps:
            model.steps_per_execution = given.steps
        seconds = fk.training.fit(model, x_train, y_train, (x_val, y_val), params).seconds
    else:
        compile_plain(model, params, jit=True if given.xla else "auto")
        seconds = fit_plain(model, x_train, y_train, (x_val, y_val), params, Line())
    print(f"{name} fit {seconds:.3f} s", flush=True)
    if given.encoders:  # a whole run, not a measurement of `fit` alone
        for images, targets in ((x_train, y_train), (x_val, y_val)):
            print(model.evaluate(images, targets, verbose=0))
        model.predict(x_val, verbose=0)
        if kind == "autoencoder":
            model.layers[0].save_weights(given.encoders / f"{name}.weights.h5")


@functools.cache
def load(data, protocol):
    """The data set, read once for all models of a call."""
    return fk.data.load(data, protocol)


def main():
    """Train the models named on the command line, one after another."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("models", nargs="+")
    parser.add_argument("--suite", default="sample", help="a file of params/suites (default: sample)")
    parser.add_argument("--epochs", type=int, help="instead of the suite's")
    parser.add_argument("--limit", type=int, help="train on so many images")
    parser.add_argument("--val-limit", type=int, help="validate on so many")
    parser.add_argument("--encoders", type=Path, help="folder where autoencoders leave their encoder")
    parser.add_argument("--how", choices=("project", "plain"), default="plain")
    parser.add_argument("--steps", type=int, help="steps_per_execution, instead of the project's")
    parser.add_argument("--keras-layers", action="store_true", help="Keras' own, also with --how project")
    parser.add_argument("--autotune", action="store_true", help="batches as tf.data likes them")
    parser.add_argument("--xla", action="store_true", help="which is not Keras' default on a CPU")
    given = parser.parse_args()
    for name in given.models:
        train(name, given)


if __name__ == "__main__":
    main()
