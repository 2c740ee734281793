"""Train models with Keras, for the benchmark: as this project does it, or as a plain script would.

`--how project` compiles and fits as the notebooks do. `--how plain` is what Keras' own examples do: Keras'
own layers, compiled with a loss and an optimizer, `fit` on arrays. The data, the epochs and the evaluation
are the same. One line an epoch goes to stdout; watch.py takes the time of each line.
"""

import os
import sys
import time

import floor
import script

from fmnist_keras.workflow.execute import KERNEL_ENVIRONMENT

if "project" in sys.argv:  # TensorFlow settles at its import how it computes: for a rival by its own defaults
    os.environ |= KERNEL_ENVIRONMENT | os.environ
import keras

import fmnist_keras as fk
from fmnist_keras._fast import batches as of_arrays


class Line(keras.callbacks.Callback):
    """One line an epoch, as the project prints it, where the progress bar would be."""

    def on_epoch_end(self, epoch, logs=None):
        """Print the line."""
        print(f"epoch {epoch + 1}/{self.params['epochs']}  val_loss {logs['val_loss']:.4f}", flush=True)


class Sent(of_arrays._Batches):
    """Batches that are made in NumPy and sent to the GPU one by one, also under JAX."""

    def __init__(self, images, targets, batch_size, shuffle):
        super().__init__(images, targets, batch_size, shuffle)
        self.parts, self.pick = of_arrays._parts(images, targets), of_arrays._pick


def build(params, encoders=None):
    """The model of a run, from the project's own builders; a classifier's encoder from its file."""
    encoder = fk.models.encoder(params.latent_dim, params.dropout)
    if params.kind == "autoencoder":
        decoder = fk.models.decoder(params.latent_dim, params.dropout, params.upsampling)
        return fk.models.autoencoder(encoder, decoder)
    if encoders:
        encoder.load_weights(encoders / f"{params.encoder_from}.weights.h5")
    return fk.models.classifier(encoder, params.final_activation, params.train_encoder)


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


def compile_model(model, params, optimizer, **options):
    """`compile` with a run's loss and metrics."""
    loss, metrics = "mean_squared_error", None
    if params.kind == "classifier":
        loss, metrics = keras.losses.SparseCategoricalCrossentropy(from_logits=True), ["accuracy"]
    model.compile(optimizer, loss, metrics=metrics, **options)


def fit_as_notebook(model, train, val, params, given=None):
    """Compile and train as the project's notebooks do, but for the settings that are taken back."""
    optimizer = fk.training.optimizer(params.optimizer, params.learning_rate, params.epsilon)
    steps = (given and given.steps) or fk.training.steps_per_execution()
    compile_model(model, params, optimizer, steps_per_execution=steps)
    make = Sent if given and given.sent else fk.training.batches
    batches = make(*train, params.batch_size, shuffle=True)
    if given and given.autotune:  # as pipelines of tf.data are by themselves
        import tensorflow as tf

        options = tf.data.Options()
        options.autotune.enabled = True
        batches = batches.with_options(options)
    callbacks = fk.training.callbacks(params.patience, params.min_delta)
    how = {"epochs": params.epochs, "callbacks": callbacks, "shuffle": False, "verbose": 0}
    model.fit(batches, validation_data=fk.training.batches(*val), **how)


def fit_plain(model, train, val, params, jit="auto"):
    """Compile and train with Keras' defaults on arrays; early stopping as in the project."""
    rate, adam = params.learning_rate, params.optimizer == "adam"
    optimizer = keras.optimizers.Adam(rate, epsilon=params.epsilon) if adam else keras.optimizers.SGD(rate)
    compile_model(model, params, optimizer, jit_compile=jit)
    patience = {"patience": params.patience, "min_delta": params.min_delta}
    callbacks = [keras.callbacks.EarlyStopping(restore_best_weights=True, **patience), Line()]
    how = {"epochs": params.epochs, "batch_size": params.batch_size, "callbacks": callbacks, "verbose": 0}
    model.fit(*train, validation_data=val, **how)


def main(given):
    """The models named on the command line, from their parameters to their losses."""
    for name in given.models:
        params, train, val = script.run(name, given)
        fk.training.seed_everything(0)
        model = build(params, given.encoders)
        if given.how == "plain" or given.keras_layers:
            model = of_keras_own_layers(model)
        print(f"{name} parameters {model.count_params()}", flush=True)
        start = time.perf_counter()
        if given.how == "project":
            fit_as_notebook(model, train, val, params, given)
        else:
            fit_plain(model, train, val, params, jit=True if given.xla else "auto")
        print(f"{name} fit {time.perf_counter() - start:.3f} s", flush=True)
        if given.encoders:  # a whole run, not a measurement of `fit` alone
            for part in (train, val):
                print(model.evaluate(*part, verbose=0))
            model.predict(val[0], verbose=0)
            if params.kind == "autoencoder":
                model.layers[0].save_weights(given.encoders / f"{name}.weights.h5")


if __name__ == "__main__":
    parser = script.arguments(__doc__)
    parser.add_argument("--how", choices=("project", "plain"), default="plain")
    parser.add_argument("--steps", type=int, help="steps_per_execution, instead of the project's")
    parser.add_argument("--keras-layers", action="store_true", help="Keras' own, also with --how project")
    parser.add_argument("--autotune", action="store_true", help="batches as tf.data likes them")
    parser.add_argument("--sent", action="store_true", help="batches made in NumPy, also under JAX")
    parser.add_argument("--xla", action="store_true", help="which is not Keras' default on a CPU")
    main(parser.parse_args())
