import gzip
import shutil

import numpy as np
import pytest

from fmnist_keras import _sources as sources
from fmnist_keras import data


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
