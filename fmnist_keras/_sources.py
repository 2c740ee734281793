"""Find the four files of Fashion-MNIST, or Keras' MNIST, and check their SHA-256."""

import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import numpy as np

from ._yaml import OneSentence, ParamsError

FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")
FILES += ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
SHA256 = {  # of the decompressed bytes: the .gz files of Debian and of the authors differ, these do not
    data: dict(zip(FILES, digests.split()))
    for data, digests in {
        "full": """
            c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888
            bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9
            5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b
            0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34""",
        "sample": """
            6dded81672539b5d148c1a85358069d1808c316dc6f6c0abfd12ba3ced5dd394
            d7c464914ae4b919728c5c99c3cdde5a0259febf1e99ddc6927a15768731d7dc
            7a6d8e07ea021ec5bc73135ebd0a5770799557ec6f8242d8749c4f32a3cf4643
            b40abac7ec8228f434940f579deb7cf7b6e3103b5274cb91d1545771f5ef1c8b""",
    }.items()
}
FASHION_MNIST = {digest for files in SHA256.values() for digest in files.values()} | {
    # of its arrays, in files of one's own: the training and test images and labels; and those of the sample
    "2e487a6c89124f78f2d7521542223cafe96f7123c3ca13d447772ac6ecbb3012",
    "657fbd221bfc9f4198cc14b5619cc33ec57c58dd0e47af4d99d6650759e869a7",
    "c867c93ff95360594e8ec3287995350b824dd110b11595c0e13d5423f621867a",
    "3d0e6c6ea990b53b6f8f500a41cac93881d981b315f84578b7d915342ade01e9",
    "c407c19496b306f56f0ed298ad5b11dbcfcc75fc631f4f8e3bc07b8000f1a88b",
    "630a374d65ffe2f321251c9e84474d5a90d464571a2a6418ad322c1d9a47fad6",
    "8d46efb2efae7259de048298adb99140d06082b91c430833a54d7ce30f21c9c9",
    "86fea14d645de73ec2f8e0e859add59c557ccdf73e3e419692220b128c15ec47",
}
CLASS_NAMES = (  # from the data set's README, in the order of the labels 0 to 9
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
MNIST = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"  # of mnist.npz, as Keras has it
DOWNLOADS = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
SAMPLE_DIR = Path(__file__).parent / "sample"
DISTRIBUTION_DIR = Path("/usr/share/datasets/fashion-mnist")  # Debian's and Ubuntu's package
GZIP = b"\x1f\x8b"  # how a gzip file begins; an IDX file begins with two zeros
PACKAGE = "dataset-fashion-mnist"


class DataError(OneSentence, RuntimeError):
    """The data set is missing, damaged or not the one expected."""


def is_fashion_mnist(sha256):
    """Return whether data is Fashion-MNIST or its sample, by the SHA-256 of its files or arrays: a dict.

    The paper's numbers and claims are about no other data, whatever a file is called.
    """
    return bool(sha256) and FASHION_MNIST.issuperset(sha256.values())


def find(data="full"):
    """Return a sentence saying where a data set was found, and a dict of file name to array.

    Args:
        data: "full", which is looked for in every source, or "sample".

    Raises:
        DataError: with every place tried and how to mend it.
        ParamsError: there is no data set of that name.
    """
    if data not in SHA256:
        raise ParamsError("data", data, "full or sample")
    if data == "sample":
        return f"embedded sample, {SAMPLE_DIR}", read_folder(SAMPLE_DIR, SHA256["sample"])
    chosen = os.path.expanduser(os.environ.get("FMNIST_DATA_DIR", ""))
    if chosen:  # what a person chose is used or refused, never replaced behind their back
        try:
            return f"FMNIST_DATA_DIR, {chosen}", read_folder(Path(chosen), SHA256["full"])
        except DataError as error:
            raise DataError(f"FMNIST_DATA_DIR: {error}") from error
    tried = ["FMNIST_DATA_DIR: not set"]
    sources = {
        "the distribution's package": lambda: DISTRIBUTION_DIR,
        "the Keras cache": lambda: cache_dir(),
        "Keras' download": _download_with_keras,
        f"apt-get download {PACKAGE}": _download_with_apt,
    }
    for name, folder in sources.items():
        try:
            path = folder()
            return f"{name}, {path}", read_folder(path, SHA256["full"])
        except (RuntimeError, OSError, subprocess.SubprocessError, ValueError) as error:  # also: no home
            tried.append(f"{name}: {str(error).strip() or type(error).__name__}")
            if "SHA-256" in str(error):
                print(f"warning: {error}; trying the next source", file=sys.stderr)
    raise DataError(
        "Fashion-MNIST was not found. Tried, in this order:\n  "
        + "\n  ".join(tried)
        + f"\nMend it with `apt-get install {PACKAGE}` (Debian, Ubuntu), or put the four files "
        + f"{', '.join(f'{name}.gz' for name in FILES)} in a folder and set FMNIST_DATA_DIR to it. "
        + "`make report` needs none of this: it uses the embedded sample."
    )


def read_folder(folder, sha256):
    """Return the verified arrays of the four files in a folder, gzipped or not, a dict by name.

    Images are `(n, 28, 28)` uint8, labels `(n,)`.

    Args:
        folder: a `pathlib.Path`.
        sha256: dict of file name to the SHA-256 of its decompressed bytes.

    Raises:
        DataError: a file is missing or damaged; it names the file and what was expected.
    """
    arrays = {}
    for name in FILES:
        path = next((p for p in (folder / f"{name}.gz", folder / name) if p.is_file()), None)
        if path is None:
            raise DataError(f"{folder / name}.gz is missing")
        try:
            content = path.read_bytes()
            if content.startswith(GZIP):  # browsers unpack one under its .gz name
                content = gzip.decompress(content)
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
    """Return the folder in which Keras' own loader keeps Fashion-MNIST."""
    home = os.environ.get("KERAS_HOME") or "~/.keras"
    return Path(os.path.expanduser(home)) / "datasets" / "fashion-mnist"


def _download_with_keras():
    """Fetch the four files where `keras.datasets.fashion_mnist` does; hash them; then cache them."""
    import keras

    with tempfile.TemporaryDirectory() as scratch:
        for name in FILES:
            try:
                keras.utils.get_file(f"{name}.gz", origin=f"{DOWNLOADS}{name}.gz", cache_dir=scratch)
            except Exception as error:  # get_file raises a bare Exception for every network fault
                raise DataError(f"{error}") from error
        return _into_cache(Path(scratch) / "datasets")


def mnist():
    """Return the path of Keras' own mnist.npz: in its cache, or else downloaded, and verified.

    Raises:
        DataError: it is not there, and there is no network.
    """
    import keras

    path = cache_dir().with_name("mnist.npz")
    try:
        keras.utils.get_file(path.name, f"{DOWNLOADS}{path.name}", file_hash=MNIST, cache_dir=path.parents[1])
    except Exception as error:  # as above
        fault = f"data: mnist: {path} is missing, and was not downloaded ({error})"
        raise DataError(f"{fault}; put Keras' mnist.npz there, or give the path of an .npz file") from error
    return path


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
