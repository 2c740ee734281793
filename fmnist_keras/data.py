"""Fashion-MNIST: where it is found, what it must hash to, and the two ways of splitting it."""

import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .params import OneSentence

CLASS_NAMES = (  # from the data set's README, in the order of the labels 0 to 9
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
# SHA-256 of the decompressed bytes: the .gz files of Debian and of the authors differ, these do not.
_FULL = """\
c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888  train-images-idx3-ubyte
bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9  train-labels-idx1-ubyte
5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b  t10k-images-idx3-ubyte
0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34  t10k-labels-idx1-ubyte"""
_SAMPLE = """\
6dded81672539b5d148c1a85358069d1808c316dc6f6c0abfd12ba3ced5dd394  train-images-idx3-ubyte
d7c464914ae4b919728c5c99c3cdde5a0259febf1e99ddc6927a15768731d7dc  train-labels-idx1-ubyte
7a6d8e07ea021ec5bc73135ebd0a5770799557ec6f8242d8749c4f32a3cf4643  t10k-images-idx3-ubyte
b40abac7ec8228f434940f579deb7cf7b6e3103b5274cb91d1545771f5ef1c8b  t10k-labels-idx1-ubyte"""
SHA256 = {
    data: {name: digest for digest, name in (line.split() for line in table.splitlines())}
    for data, table in (("full", _FULL), ("sample", _SAMPLE))
}
FILES = tuple(SHA256["full"])
SAMPLE_DIR = Path(__file__).parent / "sample"
DISTRIBUTION_DIR = Path("/usr/share/datasets/fashion-mnist")  # Debian's and Ubuntu's package
PACKAGE = "dataset-fashion-mnist"
HOLDOUT = 5_000  # images of the training set that validate under `protocol: holdout`
HOLDOUT_SEED = 0  # fixed, so that every model and seed is judged on the same images


class DataError(OneSentence, RuntimeError):
    """The data set is missing, damaged or not the one expected."""


@dataclass(frozen=True)
class Dataset:
    """Images `(n, 28, 28, 1)` float32 in [0, 1] and labels `(n,)` uint8 in [0, 9], split.

    Under `protocol="paper"` the 10,000 test images validate, as in paper.md, section I, and `x_test`
    and `y_test` are None. Under "holdout" a stratified part of the training set validates instead.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_val: np.ndarray
    y_val: np.ndarray
    x_test: np.ndarray | None
    y_test: np.ndarray | None
    source: str
    sha256: dict

    def __repr__(self):
        parts = [(name, getattr(self, name)) for name in ("x_train", "x_val", "x_test")]
        shapes = [f"{name} {part.shape} {part.dtype}" for name, part in parts if part is not None]
        return f"Dataset({', '.join(shapes)}, labels beside each; from the {self.source})"


def load(data="full", protocol="paper", limit=None):
    """Read, verify and split the data set.

    Args:
        data: "full" (60,000 and 10,000 images) or "sample" (the first 6,000 and 1,000 of them,
            embedded in the package).
        protocol: "paper" (all training images train, the test images validate) or "holdout" (a
            twelfth of the training images, stratified by class, validates; test images are apart).
        limit: keep the first `limit` images of each part, or None for all.

    Returns:
        A `Dataset`.

    Raises:
        DataError: no source has the files, or a file is not what its SHA-256 says.
    """
    source, arrays = find(data)
    x_train, y_train, x_test, y_test = (arrays[name] for name in FILES)
    x_val, y_val = x_test, y_test
    if protocol == "holdout":
        from sklearn.model_selection import train_test_split

        x_train, x_val, y_train, y_val = train_test_split(
            *(x_train, y_train),
            test_size=HOLDOUT * len(x_train) // 60_000,
            stratify=y_train,
            random_state=HOLDOUT_SEED,
        )
    else:
        x_test = y_test = None
    images = [part if part is None else to_float(part[:limit]) for part in (x_train, x_val, x_test)]
    labels = [part if part is None else part[:limit] for part in (y_train, y_val, y_test)]
    ordered = [part for pair in zip(images, labels) for part in pair]
    return Dataset(*ordered, source, SHA256[data])


def one_per_class(labels):
    """Where the first image of each class is in labels `(n,)`: `(k,)` int64, in the order of the classes."""
    return np.unique(labels, return_index=True)[1]


def to_float(images):
    """uint8 images `(n, 28, 28)` in [0, 255] to float32 `(n, 28, 28, 1)` in [0, 1]; what is float32 stays."""
    if images.dtype == np.float32:
        return images
    converted = images[..., np.newaxis].astype("float32")
    converted /= 255  # in place: fresh memory for 60,000 images costs more time than the arithmetic
    return converted


def find(data="full"):
    """Find the four files of a data set in the first source that has them, verified.

    Args:
        data: "full" or "sample".

    Returns:
        A sentence saying where they were found, and a dict of file name to array.

    Raises:
        DataError: with every place tried and how to mend it.
    """
    if data == "sample":
        return f"embedded sample, {SAMPLE_DIR}", read_folder(SAMPLE_DIR, SHA256["sample"])
    chosen = os.environ.get("FMNIST_DATA_DIR")
    if chosen:  # what a person chose is used or refused, never replaced behind their back
        try:
            return f"FMNIST_DATA_DIR, {chosen}", read_folder(Path(chosen), SHA256["full"])
        except DataError as error:
            raise DataError(f"FMNIST_DATA_DIR: {error}") from error
    tried = []
    sources = (
        ("the distribution's package", lambda: DISTRIBUTION_DIR),
        ("the Keras cache", lambda: cache_dir()),
        ("Keras' download", _download_with_keras),
        (f"apt-get download {PACKAGE}", _download_with_apt),
    )
    for name, folder in sources:
        try:
            path = folder()
            return f"{name}, {path}", read_folder(path, SHA256["full"])
        except (RuntimeError, OSError, subprocess.SubprocessError, ValueError) as error:  # also: no home
            tried.append(f"  {name}: {str(error).strip() or type(error).__name__}")
            if "SHA-256" in str(error):
                print(f"warning: {error}; trying the next source", file=sys.stderr)
    raise DataError(
        "Fashion-MNIST was not found. Tried, in this order:\n"
        + "  FMNIST_DATA_DIR: not set\n"
        + "\n".join(tried)
        + f"\nMend it with `apt-get install {PACKAGE}` (Debian, Ubuntu), or put the four files "
        + f"{', '.join(f'{name}.gz' for name in FILES)} in a folder and set FMNIST_DATA_DIR to it. "
        + "`make report` needs none of this: it uses the embedded sample."
    )


def read_folder(folder, sha256):
    """Read and verify the four files, gzipped or not, of one folder.

    Args:
        folder: a `pathlib.Path`.
        sha256: dict of file name to the SHA-256 of its decompressed bytes.

    Returns:
        dict of file name to uint8 array: images `(n, 28, 28)`, labels `(n,)`.

    Raises:
        DataError: a file is missing or damaged; it names the file and what was expected.
    """
    arrays = {}
    for name in FILES:
        path = next((p for p in (folder / f"{name}.gz", folder / name) if p.is_file()), None)
        if path is None:
            raise DataError(f"{folder / name}.gz is missing")
        try:
            content = gzip.decompress(path.read_bytes()) if path.suffix else path.read_bytes()
        except (OSError, EOFError, ValueError, zlib.error) as error:
            reason = f"is not a complete gzip file ({error})"
            raise DataError(f"{path} {reason}; expected SHA-256 {sha256[name]} inside") from error
        found = hashlib.sha256(content).hexdigest()
        if found != sha256[name]:
            raise DataError(f"{path} has SHA-256 {found} once decompressed, not {sha256[name]}")
        # IDX: two zero bytes, the type (8: uint8), the number of dimensions, then each as 4 bytes.
        shape = np.frombuffer(content, ">u4", count=content[3], offset=4)
        arrays[name] = np.frombuffer(content, np.uint8, offset=4 + 4 * content[3]).reshape(shape)
    return arrays


def cache_dir():
    """The folder in which Keras' own loader keeps Fashion-MNIST."""
    home = os.environ.get("KERAS_HOME") or Path("~/.keras").expanduser()
    return Path(home) / "datasets" / "fashion-mnist"


def _download_with_keras():
    """Fetch the four files where `keras.datasets.fashion_mnist` does; hash them; then cache them."""
    import keras

    base = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
    with tempfile.TemporaryDirectory() as scratch:
        for name in FILES:
            try:
                keras.utils.get_file(f"{name}.gz", origin=f"{base}{name}.gz", cache_dir=scratch)
            except Exception as error:  # get_file raises a bare Exception for every network fault
                raise DataError(f"{error}") from error
        return _into_cache(Path(scratch) / "datasets")


def _download_with_apt():
    """Fetch Debian's package and unpack it here: needs no root and installs nothing."""
    with tempfile.TemporaryDirectory() as scratch:
        run = {"cwd": scratch, "check": True, "capture_output": True, "timeout": 600}
        try:
            subprocess.run(["apt-get", "download", PACKAGE], **run)
            (package,) = Path(scratch).glob("*.deb")
            subprocess.run(["dpkg-deb", "-x", str(package), "unpacked"], **run)
        except subprocess.CalledProcessError as error:
            raise DataError(error.stderr.decode(errors="replace").strip()) from error
        return _into_cache(Path(scratch, "unpacked", *DISTRIBUTION_DIR.parts[1:]))


def _into_cache(folder):
    """Move four verified files into the Keras cache, over what is there; return the cache's folder."""
    read_folder(folder, SHA256["full"])
    cache = cache_dir()
    cache.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        partial = cache / f".{name}.{os.getpid()}"
        shutil.copyfile(folder / f"{name}.gz", partial)
        os.replace(partial, cache / f"{name}.gz")  # atomic: another run never reads half a file
    return cache
