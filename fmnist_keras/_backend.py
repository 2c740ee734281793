"""Check what Keras reads as it is imported: KERAS_BACKEND and a person's own keras.json."""

import json
import os
from importlib.util import find_spec
from pathlib import Path

from ._yaml import ParamsError

ALLOWED = {  # in keras.json, the default first; of anything else Keras makes a traceback
    "floatx": ("float32", "float16", "float64"),
    "image_data_format": ("channels_last", "channels_first"),
    "backend": ("tensorflow", "jax", "torch"),  # Keras has more, which do not train
}


def check_backend():
    """Raise a `ParamsError` if Keras would not start, or its backend cannot train or is not installed."""
    path = Path(os.path.expanduser(os.environ.get("KERAS_HOME") or "~/.keras")) / "keras.json"
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        said = None
    said = said if isinstance(said, dict) else {}
    settings = {f"{path}: {field}": (said.get(field, names[0]), names) for field, names in ALLOWED.items()}
    if chosen := os.environ.get("KERAS_BACKEND"):
        settings.popitem()
        settings["KERAS_BACKEND"] = chosen, ALLOWED["backend"]
    for place, (value, names) in settings.items():
        if value not in names:
            raise ParamsError(place, value, names)
    if find_spec(value) is None:
        raise ParamsError(
            f"{place}: {value} is not installed here: make backends, or KERAS_BACKEND=tensorflow"
        )
