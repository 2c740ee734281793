"""Describe what ran, from the model and its history, and how it departs from what was asked for."""

import json

import keras
import numpy as np

from .. import models, training

# Of a layer's or an optimizer's configuration: what changes no output, or is a default that every layer has.
LEFT_OUT = {"name", "trainable", "dtype", "seed", "build_input_shape", "batch_shape", "data_format", "input_axes"}
LEFT_OUT |= {"loss_scale_factor", "gradient_accumulation_steps", "ema_momentum", "ema_overwrite_frequency"}
DEFAULTS = {"use_bias": True, "groups": 1, "activation": "linear", "dilation_rate": [1, 1], "reduction": None}
DEFAULTS |= {"bias_initializer": "Zeros()", "kernel_initializer": "GlorotUniform()", "momentum": 0.0, "strides": [1, 1]}
LOSSES = {"autoencoder": "mean_squared_error", "classifier": "sparse_categorical_crossentropy(from_logits=True)"}


def describe(model, history):
    """Return what ran, as `metrics.json` keeps it in `ran`.

    Args:
        model: the trained `keras.Model`, compiled.
        history: what its `fit` returned.

    Returns:
        dict: "layers", a text a layer, a list for a model within; "trainable", a 0 or 1 for each of the model's
        weights; "loss" and "optimizer" as texts; "latent_dim" of an autoencoder with `training.halves`, else None;
        "epochs" at most, and "steps_per_epoch", None if Keras did not know them.
    """
    optimizer = getattr(history, "optimizer", None) or model.optimizer.get_config()
    parts, asked = training.halves(model), history.params or {}
    return {
        "layers": _layers(model),
        "trainable": "".join(str(int(weight.trainable)) for weight in model.weights if _is_learned(weight)),
        "loss": _loss(model.loss),
        "optimizer": _text(type(model.optimizer).__name__, optimizer),
        "latent_dim": parts[0].output_shape[-1] if parts else None,
        "epochs": asked.get("epochs"),
        "steps_per_epoch": asked.get("steps"),
    }


def _is_learned(weight):
    return "seed_generator" not in weight.path


def departures(params, ran, model, images):
    """Return how what ran departs from what `params` ask for.

    Args:
        params: the run's `params.Params`.
        ran: see `describe`.
        model: the model that ran.
        images: how many images trained it.

    Returns:
        dict of a part ("layers", "trainable", "loss", "optimizer", "epochs", "steps") to words; empty if all ran as
        asked.
    """
    asked = _asked(params)
    optimizer = training.optimizer(params.optimizer, params.learning_rate, params.epsilon)
    expected = {
        "loss": LOSSES[params.kind],
        "optimizer": _text(type(optimizer).__name__, optimizer.get_config()),
        "epochs": params.epochs,
        "steps_per_epoch": -(-images // params.batch_size),
    }
    found = {}
    if ran["layers"] != _layers(asked):
        found["layers"] = _layers_in_words(model, asked, ran["layers"])
    trains = "".join(str(int(weight.trainable)) for weight in asked.weights if _is_learned(weight))
    if ran["trainable"] != trains and ("layers" not in found or ("0" in ran["trainable"]) != ("0" in trains)):
        found["trainable"] = f"{_count(model.trainable_weights):,} of {model.count_params():,} parameters train"
    for part, value in expected.items():
        if ran[part] is not None and ran[part] != value:
            found[part.split("_")[0]] = f"{ran[part]} instead of {value}"
    return found


def _asked(params):
    """Return the untrained model that `params` ask for."""
    encoder = models.encoder(params.latent_dim, params.dropout, params.initializer)
    if params.kind == "classifier":
        rest = params.final_activation, params.train_encoder, params.initializer
        return models.classifier(encoder, *rest)
    rest = params.latent_dim, params.dropout, params.upsampling, params.initializer
    return models.autoencoder(encoder, models.decoder(*rest))


def _layers_in_words(model, asked, layers):
    ours, theirs = model.count_params(), asked.count_params()
    if ours != theirs:
        return f"{ours:,} parameters instead of {theirs:,}"
    pairs = zip(_flat(layers), _flat(_layers(asked)))
    return next((f"{one} instead of {other}" for one, other in pairs if one != other), "other layers")


def _flat(layers):
    for layer in layers:
        yield from _flat(layer) if isinstance(layer, list) else [layer]


def _layers(model):
    return [
        _layers(layer) if isinstance(layer, keras.Model) else _text(type(layer).__name__, layer.get_config())
        for layer in model.layers
        if not isinstance(layer, keras.layers.InputLayer)
    ]


def _count(weights):
    return sum(int(np.prod(weight.shape)) for weight in weights)


def _loss(loss):
    """Return a loss as text, the same for a name, a function and an object that compute the same."""
    if not isinstance(loss, (str, keras.losses.Loss)) and not callable(loss):
        return str(loss)
    loss = keras.losses.get(loss)
    if not isinstance(loss, keras.losses.Loss):
        return getattr(loss, "__name__", type(loss).__name__)
    name = getattr(getattr(loss, "fn", None), "__name__", type(loss).__name__)
    config = {k: v for k, v in getattr(loss, "_fn_kwargs", {}).items() if v not in (None, False, -1)}
    usual = {"axis": -1}
    return _text(name, {k: v for k, v in config.items() if usual.get(k) != v}).removesuffix("()")


def _text(name, config):
    """Return a layer, an optimizer or an initializer as text: "Conv2D(filters=16, kernel_size=[3, 3])"."""
    shown = {key: _value(value) for key, value in config.items() if key not in LEFT_OUT}
    shown = {
        key: value
        for key, value in shown.items()
        if value is not None and value is not False and DEFAULTS.get(key, KeyError) != value
    }
    return f"{name}({', '.join(f'{key}={value}' for key, value in sorted(shown.items()))})"


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
        return _text(type(value).__name__, value.get_config())
    return value if isinstance(value, (bool, int, str, type(None))) else json.dumps(value, default=str)
