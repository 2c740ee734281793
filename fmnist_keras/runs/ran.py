"""Describe what ran, from the model and its history, and how it departs from what was asked for."""

import json
import sys

import keras
import numpy as np

from .. import _notebook, data, evaluation, models, training
from .._recorder import as_compiled, steps_made

EVALUATED = 10_000  # images that losses and accuracies are computed on again, at most
TOLERANCE = 1e-4  # of a loss or an accuracy, relative: sums over batches of other sizes round otherwise
PARTS = ("train", "val")
NEEDED = {  # of each kind of model, by those who read a run
    "autoencoder": (*PARTS, "stripes", "pixel_errors", "image_errors"),
    "classifier": (*PARTS, "predictions", "confusion"),
}
AGAIN = "on this data set: run the evaluation cells again"
LOSSES = {"autoencoder": "mean_squared_error"}
LOSSES |= {"classifier": "sparse_categorical_crossentropy(from_logits=True)"}
# Of a layer's or an optimizer's configuration: what changes no output, or is a default that every layer has.
LEFT_OUT = {"name", "trainable", "dtype", "seed", "build_input_shape", "batch_shape", "data_format"}
LEFT_OUT |= {"input_axes", "loss_scale_factor", "ema_momentum", "ema_overwrite_frequency"}
DEFAULTS = {"use_bias": True, "groups": 1, "activation": "linear", "dilation_rate": [1, 1], "reduction": None}
DEFAULTS |= {"bias_initializer": "Zeros()", "kernel_initializer": "GlorotUniform()", "strides": [1, 1]}
DEFAULTS |= {"momentum": 0.0, "padding": "valid", "negative_slope": 0.0, "threshold": 0.0}


def describe(model, history):
    """Return what ran, as `metrics.json` keeps it in `ran`.

    Args:
        model: the trained `keras.Model`, compiled.
        history: what its `fit` returned.

    Returns:
        dict: "layers", a text a layer, a list for a model within, and first what a model calls that is not
        `training.is_chain`; "trainable", a 0 or 1 for each of the model's weights; "loss" and "optimizer" as
        texts; "latent_dim" of an autoencoder with `training.halves`, else None; "epochs" at most, and
        "steps_per_epoch", None if Keras did not know them.
    """
    compiled = getattr(history, "compiled", None) or as_compiled(model)
    parts, asked = training.halves(model), history.params or {}
    return {
        "layers": _layers(model),
        "trainable": _trainable(model),
        "loss": _loss(compiled),
        "optimizer": _value(compiled["optimizer"]),
        "latent_dim": parts[0].output_shape[-1] if parts else None,
        "epochs": asked.get("epochs"),
        "steps_per_epoch": asked.get("steps"),
    }


def departures(params, ran, model, dataset=None):
    """Return how what ran departs from what `params` ask for.

    Args:
        params: the run's `Params`.
        ran: see `describe`.
        model: the model that ran.
        dataset: the `data.Dataset` that it was trained on; None compares neither it nor the number of steps
            and classes.

    Returns:
        dict of a part ("data", "layers", "trainable", "dtype", "loss", "optimizer", "epochs", "steps") to
        words; empty if all ran as asked. A notebook of one's own asks for all that its cells make: its
        "cells" alone may depart.
    """
    found = {}
    if dataset and dataset.sha256 != data.sha256(params.data):
        found["data"] = f"{dataset.name} instead of {params.data}"
    if params.notebook is not None:
        other = _notebook.has_other_cells(params.notebook, vars(sys.modules["__main__"]))
        return found | ({"cells": f"a cell ran that is not in {params.notebook}"} if other else {})
    found |= _other_model(params, ran, model, dataset)
    steps = -(-len(dataset.x_train) // params.batch_size) if dataset else ran["steps_per_epoch"]
    for part, value in {"epochs": params.epochs, "steps_per_epoch": steps}.items():
        if ran[part] is not None and ran[part] != value:
            found[part.split("_")[0]] = f"{ran[part]} instead of {value}"
    return found


def _other_model(params, ran, model, dataset):
    asked = _asked(params, len(dataset.class_names) if dataset else model.output_shape[-1])
    found = {}
    if ran["layers"] != (layers := _layers(asked)):
        pairs = zip(_flat(ran["layers"]), _flat(layers))
        words = next((f"{one} instead of {other}" for one, other in pairs if one != other), "other layers")
        if (ours := model.count_params()) != (theirs := asked.count_params()):
            words = f"{ours:,} parameters instead of {theirs:,}"
        found["layers"] = words
    trains = _trainable(asked)
    if ran["trainable"] != trains and ("layers" not in found or ("0" in ran["trainable"]) != ("0" in trains)):
        trained = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
        found["trainable"] = f"{trained:,} of {model.count_params():,} parameters train"
    dtype = params.dtype_policy or "float32"
    dtypes = {layer.dtype_policy.name for layer in model._flatten_layers()}
    if not {dtype} <= dtypes <= {dtype, "float32"}:
        found["dtype"] = f"{', '.join(sorted(dtypes))} instead of {dtype}"
    optimizer = training.optimizer(params.optimizer, params.learning_rate, params.epsilon)
    for part, value in {"loss": LOSSES[params.kind], "optimizer": _text(optimizer)}.items():
        if ran[part] != value:
            found[part] = f"{ran[part]} instead of {value}"
    return found


def _asked(params, classes):
    """Return the untrained model that `params` ask for; of a classifier with so many classes."""
    encoder = models.encoder(params.latent_dim, params.dropout, params.initializer)
    if params.kind == "classifier":
        rest = params.final_activation, params.train_encoder, params.initializer
        return models.classifier(encoder, *rest, classes)
    rest = params.latent_dim, params.dropout, params.upsampling, params.initializer
    return models.autoencoder(encoder, models.decoder(*rest))


def _layers(model):
    layers = [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]
    found = [_layers(layer) if isinstance(layer, keras.Model) else _text(layer) for layer in layers]
    calls = ", ".join(type(one).__name__ for one in getattr(model, "operations", ()))
    return found if training.is_chain(model) else [f"{type(model).__name__}({calls})", *found]


def _flat(layers):
    for layer in layers:
        yield from _flat(layer) if isinstance(layer, list) else [layer]


def _trainable(model):
    """Return a 1 for each weight that trains, a 0 for each of a frozen layer, nothing for moving averages."""
    marks = ""
    for layer in model._flatten_layers():
        if not layer._layers:  # a leaf
            marks += "1" * len(layer.trainable_weights) if layer.trainable else "0" * len(layer.weights)
    return marks


def _loss(compiled):
    """Return losses as text, the same for a name, a function and an object that compute the same."""
    weights, texts = compiled["loss_weights"], []
    for loss in map(keras.losses.get, keras.tree.flatten(compiled["loss"])):
        made = getattr(loss, "fn", loss)
        made = made if hasattr(made, "__name__") else type(made)
        name = made.__name__ if made.__module__.split(".")[0] == "keras" else f"own {made.__name__}"
        config = {key: value for key, value in getattr(loss, "_fn_kwargs", {}).items() if value != -1}
        texts.append(_text(name, config).removesuffix("()"))
    return ", ".join(texts) + ("" if weights is None else f" times {weights}")


def _text(named, config=None):
    """Return a layer, an optimizer or an initializer as text: "Conv2D(filters=16, kernel_size=[3, 3])"."""
    config = named.get_config() if config is None else config
    name = named if isinstance(named, str) else type(named).__name__
    values = {key: _value(value) for key, value in sorted(config.items()) if key not in LEFT_OUT}
    shown = [
        f"{key}={value}"
        for key, value in values.items()
        if value is not None and value is not False and DEFAULTS.get(key, KeyError) != value
    ]
    return f"{name}({', '.join(shown)})"


def _value(value):
    if isinstance(value, dict) and "class_name" in value:
        inner = value.get("config")
        return _text(value["class_name"], inner) if isinstance(inner, dict) else str(inner)
    if isinstance(value, keras.Variable) or (hasattr(value, "shape") and np.ndim(value) == 0):
        value = float(value)
    if isinstance(value, float):
        return float(f"{value:.7g}")  # as exact as float32
    if isinstance(value, (list, tuple)):
        return [_value(part) for part in value]
    if hasattr(value, "get_config"):
        return _text(value)
    return value if isinstance(value, (bool, int, str, type(None))) else json.dumps(value, default=str)


def contradiction(model, history, restore_epoch):
    """Return why a history cannot be that of a model as it is now, a sentence; "" if it can."""
    if getattr(history, "model", None) is not model:
        return "this history is of another model: run the Training cell of this one, and all below"
    made, steps = steps_made(model), getattr(history, "steps", None)
    if steps is None:  # without our callbacks
        steps = (history.params.get("steps") or np.inf) * len(history.epoch)
        made = np.inf if made else int(model.optimizer.iterations)
    if made > steps:
        counts = f"{made:,.0f} training steps, and its history has {steps:,.0f}"
        return f"this model has made {counts}: run the Model cell and all below, for one fit of a new model"
    now, weights = as_compiled(model), model.get_weights()
    then, kept = getattr(history, "compiled", now), getattr(history, "weights", weights)
    if (_loss(now), now["trainable"]) != (_loss(then), then["trainable"]):
        return "the loss or the layers that train were changed after `fit`: run the Model cell and all below"
    alike = all(np.array_equal(*pair, equal_nan=True) for pair in zip(weights, kept))
    if hasattr(history, "restored_epoch") and not alike:
        return "the weights were changed after `fit`: run the Model cell and all below"
    if restore_epoch in (None, restored := getattr(history, "restored_epoch", restore_epoch)):
        return ""
    ended = f"training ended after epoch {len(history.epoch)}, and the weights are those of {restored}"
    return f"restore_epoch is {restore_epoch}, but {ended}: lower it, or raise patience"


def results(model, dataset, kind):
    """Return all results of a model that `Run.finish` takes, computed now: a dict."""
    return {part: _scores(model, dataset, kind, part) for part in PARTS} | _of_images(model, dataset, kind)


def _scores(model, dataset, kind, part):
    """Return the loss of a part of the data set, and a classifier's accuracy also without such a metric."""
    images, labels = getattr(dataset, f"x_{part}"), getattr(dataset, f"y_{part}")
    found = training.evaluate(model, images, images if kind == "autoencoder" else labels)
    if kind == "classifier" and "accuracy" not in found:
        found["accuracy"] = float(np.mean(training.predict(model, images).argmax(axis=1) == labels))
    return found


def _of_images(model, dataset, kind):
    """Return the results of a model that have an entry an image, a pixel or a class."""
    images, outputs = dataset.x_val, training.predict(model, dataset.x_val)
    if kind == "autoencoder":
        names = {"stripes": "stripe_report", "pixel_errors": "pixel_errors", "image_errors": "image_errors"}
        return {name: getattr(evaluation, function)(images, outputs) for name, function in names.items()}
    predictions = outputs.argmax(axis=1)
    counts = evaluation.confusion_counts(dataset.y_val, predictions, len(dataset.class_names))
    calibration = evaluation.calibration(evaluation.softmax(outputs), dataset.y_val)
    return {"predictions": predictions, "confusion": counts, "calibration": calibration}


def other_results(model, dataset, kind, handed):
    """Return which results are missing, or not those of a model on a data set, a sentence; "" if none is.

    Losses are computed again if a part has at most `EVALUATED` images. A classifier's missing accuracies are
    added to `handed`.
    """
    for name in NEEDED[kind]:
        if name not in handed:
            return f"{name} is missing: run the evaluation cells, and give finish(..., {name}={name})"
    for part in PARTS:
        given = handed[part]
        if not isinstance(given, dict) or "loss" not in given:
            return f"{part} has no loss; give finish(..., {part}=fk.training.evaluate(model, ...))"
        lacks = kind == "classifier" and "accuracy" not in given
        if not lacks and len(getattr(dataset, f"x_{part}")) > EVALUATED:
            continue
        found = _scores(model, dataset, kind, part)
        for name in given.keys() & found.keys():
            if not np.isclose(given[name], found[name], rtol=TOLERANCE, atol=1e-6):
                other = f"{given[name]:.4f} is not this model's, which has {found[name]:.4f}"
                return f"{part} {name} {other} {AGAIN}"
        handed[part] = found | given
    found = _of_images(model, dataset, kind)
    for name in ("predictions", "image_errors", "pixel_errors"):
        if name in found and not _close(np.asarray(handed[name]), found[name]):
            return f"{name} are not this model's {AGAIN}"
    if kind == "classifier":
        classes = len(dataset.class_names)
        counts = evaluation.confusion_counts(dataset.y_val, handed["predictions"], classes)
        if not np.array_equal(handed["confusion"], counts):
            return f"confusion is not this model's {AGAIN}"
    return ""


def _close(given, found):
    if given.shape != found.shape:
        return False
    whole = found.dtype.kind == "i"
    return np.mean(given != found) <= 0.01 if whole else np.allclose(given, found, rtol=0.01, atol=1e-5)
