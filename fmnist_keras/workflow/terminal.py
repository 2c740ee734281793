"""What is printed, on terminals of any encoding, and what is not."""

import codecs
import contextlib
import io
import os
import sys
import tempfile
import unicodedata

PLAIN = str.maketrans({"━": "=", "╌": "-", "–": "-", "✗": "x", "±": "+"})


def fall_back_to_plain_characters():
    """From now on, a character that this process's terminal does not have is printed as a plain one."""
    codecs.register_error("plain", _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="plain")


def _plain(error):
    text = error.object[error.start : error.end].translate(PLAIN)
    return unicodedata.normalize("NFKD", text).encode("ascii", "replace").decode(), error.end


def say(text):
    """Print text at once. A reader that has gone, such as `head`, does not end what is said of."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextlib.contextmanager
def stderr_into(file):
    """Keep what is written to this process's stderr off the terminal meanwhile, also by C++."""
    saved = os.dup(2)
    os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def import_keras():
    """Import Keras without the lines that TensorFlow writes before its log level holds."""
    with tempfile.TemporaryFile() as log, stderr_into(log):
        import keras  # noqa: F401
