"""What Keras starts with, which it reads as it is imported: KERAS_BACKEND and a person's own keras.json."""

import json
import os
from importlib.util import find_spec
from pathlib import Path

from ._yaml import ParamsError, did_you_mean, short

BACKENDS = ("tensorflow", "jax", "torch")  # Keras has more, which do not train
ALLOWED = {  # in keras.json; of anything else Keras makes a traceback
    "floatx": ("float32", "float16", "float64"),
    "image_data_format": ("channels_last", "channels_first"),
}


def check_backend():
    """Check what `KERAS_BACKEND` and a person's keras.json choose, before Keras is imported.

    Raises:
        ParamsError: Keras would not start with it, or the backend cannot train or is not installed.
    """
    path, said = _keras_json()
    for field, allowed in ALLOWED.items():
        if said.get(field, allowed[0]) not in allowed:
            raise ParamsError(_chosen(f"{path}: {field}", said[field], allowed))
    where, name = "KERAS_BACKEND", os.environ.get("KERAS_BACKEND")
    if not name:
        where, name = f"{path}: backend", said.get("backend", BACKENDS[0])
    if name not in BACKENDS:
        raise ParamsError(_chosen(where, name, BACKENDS))
    if find_spec(name) is None:
        raise ParamsError(
            f"{where}: {name} is not installed here: make backends, or KERAS_BACKEND=tensorflow"
        )


def _chosen(where, value, allowed):
    return f"{where}: {short(value)} is not allowed; {did_you_mean(value, allowed)}"


def _keras_json():
    """The file's `Path` and what it says: a dict, empty where Keras cannot read it or there is none."""
    path = Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser() / "keras.json"
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        said = {}
    return path, said if isinstance(said, dict) else {}
