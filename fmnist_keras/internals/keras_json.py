"""A person's own keras.json, which Keras reads as it is imported."""

import json
import os
from pathlib import Path

ALLOWED = {  # of what Keras refuses with a traceback
    "floatx": ("float32", "float16", "float64"),
    "image_data_format": ("channels_last", "channels_first"),
}


def read():
    """The file's `Path` and what it says: a dict, empty where Keras cannot read it or there is none."""
    path = Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser() / "keras.json"
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        said = {}
    return path, said if isinstance(said, dict) else {}
