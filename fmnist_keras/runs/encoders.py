"""The encoder that a classifier starts from: which one is meant, and is it what its autoencoder left?"""

import hashlib
from dataclasses import replace

import numpy as np

from ..params import names
from .integrity import RunError
from .paths import reports_dir, run_dir
from .reading import check, read

LATEST = "latest"  # an `encoder_from`: the autoencoder that was trained last


def latest_encoder(params):
    """Put the name of the autoencoder that was trained last in the place of "latest".

    Returns:
        `Params`, their `encoder_from` a name; or None, which is random weights, where the suite has no
        autoencoder of that `latent_dim` and seed.
    """
    if params.encoder_from != LATEST:
        return params
    found = [name for name in encoders(params) if name.startswith(f"{params.suite}/")]
    return replace(params, encoder_from=found[0].split("/")[1] if found else None)


def encoders(params):
    """Encoders that a classifier with these parameters can start from: names `suite/model`, latest first."""
    folders = reports_dir().glob(f"[!.]*/*/seed_{params.seed}")
    found = filter(None, (read(folder) for folder in folders if (folder / "encoder.keras").is_file()))
    fitting = [run for run in found if run["params"]["latent_dim"] == params.latent_dim]
    fitting.sort(key=lambda run: (run["folder"] / "metrics.json").stat().st_mtime_ns, reverse=True)
    return [f"{run['suite']}/{run['model']}" for run in fitting]


def load_encoder(params):
    """The encoder that a classifier starts from: its own copy, as the autoencoder's run left it.

    Args:
        params: the classifier's `params.Params`; `encoder_from` is a name in the same suite, or
            `suite/name`; None gives an encoder with random weights.

    Returns:
        `keras.Sequential`, see `models.encoder`; its dropout is the classifier's.

    Raises:
        RunError: the autoencoder's run is not there or of another `latent_dim`, or its encoder is not the one
            that it left.
    """
    import keras

    from .. import models

    encoder = models.encoder(params.latent_dim, params.dropout, params.initializer)
    if params.encoder_from is None:
        return encoder
    *other, name = params.encoder_from.split("/")
    path = run_dir(*(other or [params.suite]), name, params.seed) / "encoder.keras"
    if not path.is_file():
        raise RunError(f"encoder_from: {params.encoder_from!r}: {path} is missing; {_would_do(params, name)}")
    metrics = check(path.parent)
    if (length := metrics["params"]["latent_dim"]) != params.latent_dim:
        allowed = f"allowed: {length}, the latent_dim of encoder_from: {params.encoder_from}"
        raise RunError(f"latent_dim: {params.latent_dim} is not allowed; {allowed}")
    try:
        encoder.set_weights(keras.saving.load_model(path, compile=False).get_weights())
    except Exception as error:  # Keras raises many kinds; in safe mode a ValueError where there is code in it
        raise RunError(f"{path} cannot be loaded: {' '.join(str(error).split())}") from error
    if weights_sha256(encoder) != metrics["encoder_sha256"]:
        raise RunError(f"{path} is not what its run left: metrics.json beside it has other weights' SHA-256")
    return encoder


def _would_do(params, name):
    """The end of an error: encoders that are there, those of that name first, and how to make one."""
    there = sorted(encoders(params), key=lambda found: not found.endswith(f"/{name}"))
    here = f"latent_dim {params.latent_dim} and seed {params.seed}"
    text = f"with {here} there are: {', '.join(there[:5])}; or " if there else f"none with {here} is there; "
    if name in names():
        seed = f" SEEDS={params.seed}" if params.seed else ""
        return f"{text}in minutes: `make report MODELS={name}{seed}`, then encoder_from sample/{name}"
    return f"{text}in a minute: autoencoder.ipynb with {here}, then encoder_from {LATEST}"


def weights_sha256(model):
    """SHA-256 of a model's weights, in their order, as little-endian float32."""
    digest = hashlib.sha256()
    for weight in model.get_weights():
        digest.update(np.ascontiguousarray(weight, "<f4").tobytes())
    return digest.hexdigest()
