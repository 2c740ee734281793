"""Train models with Keras, for the benchmark: as this project does it, or as a plain script would.

`--how project` compiles and fits as the notebooks do. `--how plain` is what Keras' own examples do: Keras'
own layers, compiled with a loss and an optimizer, `fit` on arrays. The data, the epochs and the evaluation
are the same.
"""

import os
import sys

import script

from fmnist_keras.workflow.execute import KERNEL_ENVIRONMENT

if "project" in sys.argv:  # TensorFlow settles at its import how it computes: for a rival by its own defaults
    os.environ |= KERNEL_ENVIRONMENT | os.environ
import keras

import fmnist_keras as fk


class Times(keras.callbacks.Callback):
    """The times at which `fit` began and each epoch ended, in `times`."""

    def on_train_begin(self, logs=None):
        """Note the time."""
        self.times = [script.now()]

    def on_epoch_end(self, epoch, logs=None):
        """Note the time."""
        self.times.append(script.now())


def build(params, encoders=None):
    """Return the model of a run, from the project's own builders; a classifier's encoder from its file."""
    encoder = fk.models.encoder(params.latent_dim, params.dropout)
    if params.kind == "autoencoder":
        decoder = fk.models.decoder(params.latent_dim, params.dropout, params.upsampling)
        return fk.models.autoencoder(encoder, decoder)
    if encoders:
        encoder.load_weights(encoders / f"{params.encoder_from}.weights.h5")
    return fk.models.classifier(encoder, params.final_activation, params.train_encoder)


def of_keras_own_layers(model):
    """Return the same model, with the same weights, of Keras' own layers alone.

    A model's config names our Dropout as Keras', as its file does: a model made from it has Keras'.
    """
    own = keras.Sequential.from_config(model.get_config())
    own.set_weights(model.get_weights())
    return own


def compile_model(model, params, optimizer, **options):
    """Compile with a run's loss and metrics."""
    loss, metrics = "mean_squared_error", None
    if params.kind == "classifier":
        loss, metrics = keras.losses.SparseCategoricalCrossentropy(from_logits=True), ["accuracy"]
    model.compile(optimizer, loss, metrics=metrics, **options)


def fit_as_notebook(model, train, val, params, given):
    """Compile and train as the project's notebooks do, but for the settings that are taken back."""
    optimizer = fk.training.optimizer(params.optimizer, params.learning_rate, params.epsilon)
    compile_model(
        model, params, optimizer, steps_per_execution=given.steps or fk.training.steps_per_execution()
    )
    batches = fk.training.batches(*train, params.batch_size, shuffle=True)
    if given.autotune:  # as pipelines of tf.data are by themselves
        import tensorflow as tf

        options = tf.data.Options()
        options.autotune.enabled = True
        batches = batches.with_options(options)
    callbacks = [*fk.training.callbacks(params.patience, params.min_delta), times := Times()]
    how = {"epochs": params.epochs, "callbacks": callbacks, "shuffle": False, "verbose": 0}
    model.fit(batches, validation_data=fk.training.batches(*val), **how)
    return times.times


def fit_plain(model, train, val, params):
    """Compile and train with Keras' defaults on arrays; early stopping as in the project."""
    rate, adam = params.learning_rate, params.optimizer == "adam"
    optimizer = keras.optimizers.Adam(rate, epsilon=params.epsilon) if adam else keras.optimizers.SGD(rate)
    compile_model(model, params, optimizer)
    patience = {"patience": params.patience, "min_delta": params.min_delta}
    callbacks = [keras.callbacks.EarlyStopping(restore_best_weights=True, **patience), times := Times()]
    how = {"epochs": params.epochs, "batch_size": params.batch_size, "callbacks": callbacks, "verbose": 0}
    model.fit(*train, validation_data=val, **how)
    return times.times


def main(given):
    """Train the models named on the command line."""
    fits = {}
    for name in given.models:
        params, train, val = script.run(name, given)
        fk.training.seed_everything(0)
        model = build(params, given.encoders)
        if given.how == "plain" or given.keras_layers:
            model = of_keras_own_layers(model)
        if given.how == "project":
            times = fit_as_notebook(model, train, val, params, given)
        else:
            times = fit_plain(model, train, val, params)
        fits[name] = len(train[0]), times
        if given.encoders:  # a whole run, not a measurement of `fit` alone
            for part in (train, val):
                model.evaluate(*part, verbose=0)
            model.predict(val[0], verbose=0)
            if params.kind == "autoencoder":
                model.layers[0].save_weights(given.encoders / f"{name}.weights.h5")
    script.report(fits)


if __name__ == "__main__":
    parser = script.arguments(__doc__)
    parser.add_argument("--how", choices=("project", "plain"), default="plain")
    parser.add_argument("--steps", type=int, help="steps_per_execution, instead of the project's")
    parser.add_argument("--keras-layers", action="store_true", help="Keras' own, also with --how project")
    parser.add_argument("--autotune", action="store_true", help="batches as tf.data likes them")
    main(parser.parse_args())
