import gzip
import shutil
import warnings
import zipfile

import numpy as np
import pytest

from fmnist_keras import _sources as sources
from fmnist_keras import data, params, plots


def test_sample_is_the_start_of_the_real_files(sample):
    """Its README has the counts of the classes, and a data set is one short line at a prompt."""
    assert (sample.x_train.shape, sample.x_train.dtype) == ((6000, 28, 28, 1), np.float32)
    assert (sample.x_val.shape, sample.y_val.shape) == ((1000, 28, 28, 1), (1000,))
    assert (sample.x_train.min(), sample.x_train.max(), sample.x_test) == (0, 1, None)
    assert sample.y_train[:10].tolist() == [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]  # as printed in many tutorials
    assert sample.sha256 == data.SHA256["sample"]
    readme = (sources.SAMPLE_DIR / "README.md").read_text()
    for label, name in enumerate(data.CLASS_NAMES):
        train, test = np.sum(sample.y_train == label), np.sum(sample.y_val == label)
        assert f"| {label} | {name} | {train} | {test} |" in readme
    assert repr(sample) == (
        "Dataset(x_train (6000, 28, 28, 1) float32, x_val (1000, 28, 28, 1) float32, labels beside each; "
        f"from the {sample.source})"
    )


def test_to_float_scales_and_adds_the_channel():
    raw = np.arange(256, dtype="uint8").repeat(784).reshape(256, 28, 28)
    images = data.to_float(raw)
    assert (images.shape, images.dtype) == ((256, 28, 28, 1), np.float32)
    assert (images.min(), images.max()) == (0, 1)
    np.testing.assert_array_equal(np.round(images[..., 0] * 255), raw)
    assert data.to_float(images) is images


def test_holdout_is_stratified_and_fixed():
    """The test images are apart, each training image is there once, every class in proportion."""
    split = data.load("sample", "holdout")
    assert (len(split.x_train), len(split.x_val), len(split.x_test)) == (5500, 500, 1000)
    everything = np.concatenate([split.x_train, split.x_val]).reshape(6000, -1)
    original = data.load("sample").x_train.reshape(6000, -1)
    assert sorted(map(bytes, everything)) == sorted(map(bytes, original))
    counts = np.bincount(split.y_val) / np.bincount(np.concatenate([split.y_train, split.y_val]))
    assert np.abs(counts - 1 / 12).max() < 0.002
    np.testing.assert_array_equal(split.x_val, data.load("sample", "holdout").x_val)


def test_limit_keeps_the_first_images(sample):
    with pytest.warns(UserWarning, match="the first 20 training images are of 9 classes of 10; shuffle"):
        few = data.load("sample", limit=20)
    np.testing.assert_array_equal(few.x_train, sample.x_train[:20])
    np.testing.assert_array_equal(few.y_val, sample.y_val[:20])


@pytest.mark.parametrize("targets", ["images", "labels"])
def test_batches_for_fit(targets, sample):
    """Training images are shuffled with their targets, validation images are in order."""
    train, val = data.load("sample", limit=50).batches(20, targets=targets)
    images, found = map(np.concatenate, zip(*train.get_numpy_iterator()))
    order = [np.abs(sample.x_train[:50] - image).sum(axis=(1, 2, 3)).argmin() for image in images]
    assert sorted(order) == list(range(50)) != order
    np.testing.assert_array_equal(found, (sample.x_train if targets == "images" else sample.y_train)[order])
    np.testing.assert_array_equal(val[0][0], sample.x_val[:50])


@pytest.fixture
def folder(tmp_path):
    """A copy of the sample's files, to damage."""
    for name in sources.FILES:
        shutil.copy(sources.SAMPLE_DIR / f"{name}.gz", tmp_path)
    return tmp_path


def test_uncompressed_files_are_read(folder, sample):
    path = folder / f"{sources.FILES[0]}.gz"
    path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
    path.unlink()
    arrays = sources.read_folder(folder, data.SHA256["sample"])
    np.testing.assert_array_equal(data.to_float(arrays[sources.FILES[0]]), sample.x_train)


def flipped(content, at):
    return content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: gzip.compress(flipped(gzip.decompress(content), 100)),
        lambda content: flipped(content, len(content) // 2),
        lambda content: gzip.compress(gzip.decompress(content)[:-1]),
        lambda content: content[: len(content) // 2],
        lambda content: b"<html>Not found</html>",
        lambda content: None,
    ],
    ids=["a bit", "a compressed bit", "a label short", "truncated", "foreign", "missing"],
)
def test_a_damaged_file_is_named(folder, damage):
    """With its folder and, unless it is missing, the hash that it should have."""
    name = sources.FILES[1]
    path = folder / f"{name}.gz"
    content = damage(path.read_bytes())
    path.write_bytes(content) if content else path.unlink()
    with pytest.raises(data.DataError) as error:
        sources.read_folder(folder, data.SHA256["sample"])
    assert str(folder / name) in str(error.value)
    assert (data.SHA256["sample"][name] if content else "missing") in str(error.value)


def test_a_chosen_folder_is_never_replaced(folder, monkeypatch):
    """It has the sample, which is not the full data set."""
    monkeypatch.setenv("FMNIST_DATA_DIR", str(folder))
    with pytest.raises(data.DataError, match="FMNIST_DATA_DIR: .* not c59f468a"):
        data.load("full")


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """No source has the data: nothing installed, an empty cache, no network."""

    def refuse(*args, **kwargs):
        raise OSError("no network in this test")

    monkeypatch.delenv("FMNIST_DATA_DIR", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(sources, "DISTRIBUTION_DIR", tmp_path / "nothing")
    monkeypatch.setattr(sources, "_download_with_keras", refuse)
    monkeypatch.setattr(sources, "_download_with_apt", refuse)
    return tmp_path


def test_every_place_tried_is_named(nowhere):
    with pytest.raises(data.DataError) as error:
        data.load("full")
    places = ["FMNIST_DATA_DIR", str(nowhere / "nothing"), str(sources.cache_dir()), "Keras' download"]
    for place in (*places, "apt-get download", "apt-get install dataset-fashion-mnist", "no network"):
        assert place in str(error.value)


def test_a_bad_file_in_the_cache_is_fetched_once(nowhere, monkeypatch):
    """The sample stands in for the full data set, so that no network and no package is needed."""
    monkeypatch.setitem(sources.SHA256, "full", data.SHA256["sample"])
    cache = sources.cache_dir()
    cache.mkdir(parents=True)
    for name in sources.FILES:
        (cache / f"{name}.gz").write_bytes(b"<html>captive portal</html>")
    fetched = []

    def download():
        fetched.append(1)
        return sources._into_cache(sources.SAMPLE_DIR)

    monkeypatch.setattr(sources, "_download_with_keras", download)
    source, arrays = data.find("full")
    assert "Keras' download" in source
    assert arrays[sources.FILES[0]].shape == (6000, 28, 28)
    assert data.find("full")[0].startswith("the Keras cache")
    assert len(fetched) == 1


def own(**changes):
    """Ten noisy 28x28 images a part, of two classes, as an .npz file has them; None leaves an array out."""
    noise = np.random.default_rng(0).integers(0, 256, (10, 28, 28), "uint8")
    arrays = {"x_train": noise, "y_train": np.arange(10) % 2, "x_test": noise, "y_test": np.arange(10) % 2}
    return {name: array for name, array in (arrays | changes).items() if array is not None}


def written(path, **changes):
    np.savez_compressed(path, **own(**changes))
    return path


class Code:
    """An object whose unpickling leaves a file."""

    def __reduce__(self):
        return open, ("ran", "w")


def zipped(**entries):
    """Write a file with bytes in the place of some arrays."""

    def write(path):
        with zipfile.ZipFile(written(path)) as good:
            content = {name: good.read(name) for name in good.namelist()}
        with zipfile.ZipFile(path, "w") as archive:
            for name, entry in (content | {f"{name}.npy": entry for name, entry in entries.items()}).items():
                archive.writestr(name, entry)

    return write


def header(shape, version=b"\x01\x00"):
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}}}".ljust(117).encode() + b"\n"
    return b"\x93NUMPY" + version + len(text).to_bytes(2, "little") + text


def twice(path):
    with zipfile.ZipFile(written(path), "a") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile's, of the name
        archive.writestr("y_test.npy", b"")


def huge(path):
    """A small file whose directory says 2 GB."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x_train.npy", b"")
        archive.filelist[0].file_size = 2 * 10**9


def grey(value):
    """Images of which one pixel has this value, float64."""
    images = np.full((10, 28, 28, 1), 0.5)
    images.flat[7] = value
    return images


WRONG_FILES = {
    "missing file": (lambda path: None, "does not exist; allowed: an .npz file, absolute or relative to"),
    "folder": (lambda path: path.mkdir(), "is not a file; allowed"),
    "empty": (lambda path: path.write_bytes(b""), "is not a whole .npz file (File is not a zip file)"),
    "page": (lambda path: path.write_text("<html>"), "is not a whole .npz file"),
    "truncated": (lambda path: path.write_bytes(written(path).read_bytes()[:3000]), "is not a whole .npz"),
    "a bit": (
        lambda path: path.write_bytes(flipped(written(path).read_bytes(), 3000)),
        "x_train: is not a whole array of NumPy (",
    ),
    "one array": (lambda path: path.write_bytes(header((3,)) + b"abc"), "is not a whole .npz file"),
    "larger than memory": (huge, "its arrays have 2.0 GB; allowed: at most 1 GB in all"),
    "larger than it says": (
        zipped(x_train=header((10**9, 28, 28))),
        "x_train: is not a whole array of NumPy (128 bytes for shape (1000000000, 28, 28))",
    ),
    "no array": (zipped(y_test=b"hello"), "y_test: is not a whole array of NumPy"),
    "new version": (zipped(y_test=header((10,), b"\x09\x00")), "y_test: is not a whole array of NumPy"),
    "array twice": (twice, "y_test: duplicate array; allowed: once"),
    "missing array": ({"y_test": None}, "y_test: is missing; allowed: whole numbers"),
    "unknown array": ({"x_valid": np.ones(3)}, "'x_valid' is an unknown array; "),
    "code": ({"y_train": np.array([Code()] * 10)}, "y_train: has Python objects, which are"),
    "objects": ({"x_train": np.array([None] * 10)}, "x_train: has Python objects"),
    "other size": (
        {"x_train": np.zeros((10, 32, 32), "uint8")},
        "x_train: has shape (10, 32, 32); allowed",
    ),
    "colour": ({"x_test": np.zeros((10, 28, 28, 3), "uint8")}, "x_test: has shape (10, 28, 28, 3); allowed"),
    "flat": ({"x_test": np.zeros((10, 784), "uint8")}, "x_test: has shape (10, 784); allowed"),
    "int images": ({"x_train": np.zeros((10, 28, 28), int)}, "x_train: is int64; allowed: uint8"),
    "no images": ({"x_test": np.zeros((0, 28, 28), "uint8")}, "x_test: is empty; allowed"),
    "NaN": ({"x_train": grey(np.nan)}, "x_train: has NaN; allowed"),
    "infinity": ({"x_train": grey(np.inf)}, "x_train: is in [0.5, inf]; allowed"),
    "not scaled": ({"x_test": grey(255.0)}, "x_test: is in [0.5, 255]; allowed"),
    "negative": ({"x_test": grey(-1.0)}, "x_test: is in [-1, 0.5]; allowed"),
    "black": ({"x_train": np.full((10, 28, 28), 16, "uint8")}, "x_train: is uint8, nearly black: its"),
    "scaled twice": ({"x_test": grey(0.5) / 255}, "x_test: is float64, nearly black: its largest value is"),
    "counts": ({"y_train": np.arange(9) % 2}, "y_train: has 9 labels, x_train has 10 images; allowed"),
    "float labels": ({"y_train": np.arange(10) % 2.0}, "y_train: is float64; allowed: whole numbers"),
    "one-hot": ({"y_train": np.eye(10, dtype=int)}, "y_train: has shape (10, 10); allowed: whole numbers"),
    "negative label": ({"y_test": np.arange(10) - 1}, "y_test: has labels from -1 to 8; allowed"),
    "label 100": ({"y_train": np.arange(91, 101)}, "y_train: has labels from 91 to 100; allowed"),
    "gap": ({"y_train": np.arange(10) % 2 * 2}, "y_train: has no label 1, and its largest is 2; allowed"),
    "one class": ({"y_train": np.zeros(10, int)}, "y_train: has one class; allowed"),
    "unseen": ({"y_test": np.arange(10) % 3}, "y_test: has label 2, which y_train does not have; allowed"),
    "few names": ({"class_names": ["a"]}, "class_names: has 1 names, there are 2 classes; allowed"),
    "same names": ({"class_names": ["a", "a"]}, "class_names: 'a' is there twice; allowed"),
    "no name": ({"class_names": ["a", ""]}, "class_names: '' is not allowed; allowed"),
    "markup": ({"class_names": ["a", "<script>"]}, "class_names: '<script>' is not allowed; allowed"),
    "bytes": ({"class_names": [b"a", b"b"]}, "class_names: is bytes, not text; allowed"),
    "numbers": ({"class_names": [1, 2]}, "class_names: is int64; allowed"),
}


@pytest.mark.parametrize(("wrong", "words"), WRONG_FILES.values(), ids=WRONG_FILES)
def test_a_wrong_file_is_one_sentence(wrong, words, tmp_path, monkeypatch):
    """With the file's name, and no code in it has run."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "digits.npz"
    written(path, **wrong) if isinstance(wrong, dict) else wrong(path)
    with pytest.raises(params.ParamsError) as error:
        data.load(path)
    assert str(error.value).startswith(f"{path}: {words}")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("protocol", ["paper", "holdout"])
@pytest.mark.parametrize("form", ["uint8", "float32", "float64"])
def test_own_data_is_a_dataset(form, protocol, tmp_path):
    """The same from a file and from its arrays; labels without names have their number."""
    labels, names = np.arange(48) % 3, ["cero", "uno", "dos"]
    images = np.random.default_rng(0).integers(0, 256, (48, 28, 28), "uint8")
    given = images if form == "uint8" else (images[..., None] / np.array(255, form)).astype(form)
    arrays = {"x_train": given, "y_train": labels, "x_test": given[:9], "y_test": labels[:9]}
    np.savez_compressed(tmp_path / "digits.npz", **arrays, class_names=names)
    found = data.load(tmp_path / "digits.npz", protocol)
    same = data.from_arrays(**arrays, class_names=names, name="digits", protocol=protocol)
    for name in ("x_train", "y_train", "x_val", "y_val", "x_test", "y_test"):
        np.testing.assert_array_equal(getattr(found, name), getattr(same, name))
    assert (found.name, found.class_names) == (same.name, same.class_names) == ("digits", tuple(names))
    assert found.sha256 == data.sha256(str(tmp_path / "digits.npz")) == same.sha256
    train, val = (48, 9) if protocol == "paper" else (44, 4)
    assert (found.x_train.shape, found.x_val.shape) == ((train, 28, 28, 1), (val, 28, 28, 1))
    assert (found.x_val.dtype, found.y_val.dtype) == (np.float32, np.uint8)
    assert data.from_arrays(**arrays).class_names == ("0", "1", "2")


def test_arrays_say_what_is_fashion_mnist():
    """Under any name and in any language: a file's name decides nothing."""
    raw = [data.find("sample")[1][name] for name in data.FILES]
    spanish = data.from_arrays(*raw, class_names=[f"clase {label}" for label in range(10)], name="ropa")
    assert sources.is_fashion_mnist(spanish.sha256)
    assert all(map(sources.is_fashion_mnist, data.SHA256.values()))
    assert not sources.is_fashion_mnist({})
    raw[1] = raw[1][::-1]  # other labels
    assert not sources.is_fashion_mnist(data.from_arrays(*raw, name="fashion_mnist").sha256)


def test_holdout_needs_enough_images():
    with pytest.raises(params.ParamsError, match="'holdout' is not allowed with 10 training images of 2 "):
        data.from_arrays(**own(), protocol="holdout")


def test_new_class_names_hold(monkeypatch, images):
    """They are the data set's, and a figure's; a list that does not fit is refused."""
    spanish = [f"clase {number}" for number in range(10)]
    monkeypatch.setattr(data, "CLASS_NAMES", spanish)
    assert data.load("sample").class_names == tuple(spanish)
    assert plots.examples(images[:1], [1]).get_label() == "1 images: clase 1."
    monkeypatch.setattr(data, "CLASS_NAMES", spanish[:9])
    with pytest.raises(params.ParamsError, match="class_names: has 9 names, there are 10 classes"):
        data.load("sample")


def test_mnist_without_a_network(nowhere, monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError("no network in this test")

    monkeypatch.setattr("keras.utils.get_file", refuse)
    with pytest.raises(data.DataError, match="mnist.npz is missing, and was not downloaded") as error:
        data.load("mnist")
    assert "\n" not in str(error.value)
