"""Find and load the encoder that a classifier starts from, as its autoencoder's run saved it."""

import contextlib
import hashlib
import json
import zipfile
from dataclasses import replace

import numpy as np

from .. import data
from ..params import names, natural, shown
from .find import trained
from .record import RunError, run_dir
from .table import check, departs, read

LATEST = "latest"  # an `encoder_from`: the autoencoder trained last


def latest_encoder(params, notes):
    """Put the name of the autoencoder that was trained last in the place of "latest".

    Without an autoencoder of that `latent_dim` and seed in the suite it is None, random weights.

    Args:
        params: the classifier's `Params`.
        notes: a list that gets a sentence if a later autoencoder does not fit, or none does.
    """
    if params.encoder_from != LATEST:
        return params
    every = [*trained(params.suite, file="encoder.keras")[0].values()]
    fitting = [run for run in every if _fits(run, params)]
    chosen = fitting[0]["model"] if fitting else None
    if every and every[0] not in fitting:
        last = f"{every[0]['model']} (latent_dim {_length(every[0])}, seed {every[0]['seed']}"
        last += f", data {every[0]['data']['name']})"
        taken = f"{chosen}, which was trained earlier" if chosen else "random weights"
        wanted = f"latent_dim {params.latent_dim}, seed {params.seed} and data {shown(params.data)}"
        fault = f"does not fit {wanted}: this starts from {taken}"
        notes.append(f"The autoencoder trained last, {last}, {fault}.")
    return replace(params, encoder_from=chosen)


def _length(run):
    """Return the length of an autoencoder's codes: of what ran, if that is recorded."""
    return (run["ran"] or {}).get("latent_dim") or run["params"]["latent_dim"]


def _fits(run, params):
    fits = _length(run) == params.latent_dim and run["seed"] == params.seed
    return fits and _is_on_its_data(run, params)


def _is_on_its_data(run, params):
    return run["data"]["sha256"] == data.sha256(params.data)


def load_encoder(params, notes=()):
    """Return the encoder that a classifier starts from: its own copy, as the autoencoder's run saved it.

    It is `models.encoder`, its dropout the classifier's; or the layers that the autoencoder had, if they were
    its own.

    Args:
        params: the classifier's `Params`; `encoder_from` is a name in the same suite, or `suite/name`; None
            gives an encoder with random weights.
        notes: a list that gets a sentence if the encoder was trained under another backend, or its run
            departs from its parameters.

    Raises:
        RunError: the autoencoder's run is missing or of another `latent_dim`, or its encoder is not the one
            that it saved.
    """
    import keras

    from .. import models

    encoder = models.encoder(params.latent_dim, params.dropout, params.initializer)
    if params.encoder_from is None:
        return encoder
    *other, name = params.encoder_from.split("/")
    path = run_dir(*(other or [params.suite]), name, params.seed) / "encoder.keras"
    if not path.is_file():
        raise RunError(f"encoder_from: {params.encoder_from!r}: {_why_missing(path, params, name)}")
    metrics = check(path.parent)
    if (length := _length(metrics)) != params.latent_dim:
        allowed = f"allowed: {length}, the latent_dim of encoder_from: {params.encoder_from}"
        raise RunError(f"latent_dim: {params.latent_dim} is not allowed; {allowed}")
    encoder = _with_weights(None if "layers" in departs(metrics) else encoder, path)
    if weights_sha256(encoder) != metrics["encoder_sha256"]:
        differs = "the SHA-256 of its weights differs from metrics.json"
        with contextlib.suppress(OSError):  # then the engine trains it again
            path.replace(path.with_name("encoder.other.keras"))
        raise RunError(f"{path} does not match its run: {differs}; train {name} again")
    if isinstance(notes, list):
        if not _is_on_its_data(metrics, params):
            notes.append(f"The encoder of {name} was trained on other data, {metrics['data']['name']}.")
        if metrics["backend"] != keras.backend.backend():
            notes.append(f"The encoder of {name} was trained under {metrics['backend']}.")
        if departs(metrics) or metrics["interrupted"]:
            notes.append(f"The encoder's run, {name}, does not do what its parameters say.")
    return encoder


def _with_weights(encoder, path):
    """Return an encoder with the weights of a file; without an encoder, one with the layers of the file."""
    import keras

    from .. import models

    try:
        loaded = keras.saving.load_model(path, compile=False)
        if encoder is None:
            encoder = keras.models.clone_model(loaded, clone_function=models.fast)
        encoder.set_weights(loaded.get_weights())
    except Exception as error:  # Keras raises many kinds; in safe mode a ValueError if there is code in it
        raise unloadable(path, error) from error
    return encoder


def unloadable(path, error):
    """Return the `RunError` of a `.keras` file that does not load, from what Keras raised."""
    import keras

    reason, saved = " ".join(str(error).split())[:300], ""
    with contextlib.suppress(OSError, KeyError, ValueError, zipfile.BadZipFile):
        saved = json.loads(zipfile.Path(path, "metadata.json").read_text("utf-8"))["keras_version"]
    if natural(saved) > natural(keras.__version__):
        mend = "update Keras, or export the model there: `python -m fmnist_keras export NAME`"
        reason = f"Keras {saved} saved it, and Keras {keras.__version__} here is older; {mend}"
    return RunError(f"{path} cannot be loaded: {reason}")


def _why_missing(path, params, name):
    """Return why a run has no encoder's file, encoders that are there, and how to train one."""
    metrics = read(path.parent)
    if metrics and metrics["kind"] == "autoencoder" and not metrics.get("encoder_sha256"):
        return f"this autoencoder is not an encoder followed by a decoder, so it has no {path.name}"
    fitting = [run for run in trained(file="encoder.keras")[0].values() if _fits(run, params)]
    fitting.sort(key=lambda run: run["model"] != name)
    there = ", ".join(f"{run['suite']}/{run['model']}" for run in fitting[:5])
    here = f"latent_dim {params.latent_dim} and seed {params.seed}"
    text = f"with {here} there are: {there}; or " if there else f"none with {here} is there; "
    if name in names():
        seed = f" SEEDS={params.seed}" if params.seed else ""
        text += f"in minutes: `make report MODELS={name}{seed}`, then encoder_from sample/{name}"
    else:
        text += f"in a minute: autoencoder.ipynb with {here}, then encoder_from {LATEST}"
    return f"{path} is missing; {text}"


def weights_sha256(model):
    """Return the SHA-256 of a model's weights, in their order, as little-endian float32."""
    digest = hashlib.sha256()
    for weight in model.get_weights():
        digest.update(np.ascontiguousarray(weight, "<f4").tobytes())
    return digest.hexdigest()
