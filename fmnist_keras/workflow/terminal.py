"""What is printed, on terminals of any encoding."""

import codecs
import io
import sys
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
