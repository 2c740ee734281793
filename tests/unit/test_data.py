import gzip
import shutil

import numpy as np
import pytest

from fmnist_keras import _sources as sources
from fmnist_keras import data


def test_sample_is_the_start_of_the_real_files(sample):
    assert (sample.x_train.shape, sample.x_train.dtype) == ((6000, 28, 28, 1), np.float32)
    assert (sample.x_val.shape, sample.y_val.shape) == ((1000, 28, 28, 1), (1000,))
    assert sample.x_test is None
    assert sample.y_train[:10].tolist() == [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]  # as printed in many tutorials
    assert set(sample.y_val) == set(range(10))
    assert sample.sha256 == data.SHA256["sample"]


def test_the_sample_readme_prints_the_class_counts(sample):
    readme = (sources.SAMPLE_DIR / "README.md").read_text()
    for label, name in enumerate(data.CLASS_NAMES):
        train, test = np.sum(sample.y_train == label), np.sum(sample.y_val == label)
        assert f"| {label} | {name} | {train} | {test} |" in readme


def test_to_float_scales_and_adds_the_channel(sample):
    raw = np.arange(256, dtype="uint8").repeat(784).reshape(256, 28, 28)
    images = data.to_float(raw)
    assert (images.shape, images.dtype) == ((256, 28, 28, 1), np.float32)
    assert (images.min(), images.max()) == (0, 1)
    np.testing.assert_array_equal(np.round(images[..., 0] * 255), raw)
    assert data.to_float(images) is images
    assert (sample.x_train.min(), sample.x_train.max()) == (0, 1)


def test_a_data_set_is_one_short_line(sample):
    assert repr(sample) == (
        "Dataset(x_train (6000, 28, 28, 1) float32, x_val (1000, 28, 28, 1) float32, labels beside each; "
        f"from the {sample.source})"
    )


def test_one_example_of_each_class_is_the_first():
    assert data.one_per_class(np.array([1, 0, 1, 2, 0])).tolist() == [1, 0, 3]


def test_holdout_keeps_the_test_images_apart_and_every_class_in_proportion():
    split = data.load("sample", "holdout")
    assert (len(split.x_train), len(split.x_val), len(split.x_test)) == (5500, 500, 1000)
    everything = np.concatenate([split.x_train, split.x_val]).reshape(6000, -1)
    original = data.load("sample").x_train.reshape(6000, -1)
    assert sorted(map(bytes, everything)) == sorted(map(bytes, original))  # each image once, none lost
    counts = np.bincount(split.y_val) / np.bincount(np.concatenate([split.y_train, split.y_val]))
    assert np.abs(counts - 1 / 12).max() < 0.002
    again = data.load("sample", "holdout")
    np.testing.assert_array_equal(split.x_val, again.x_val)


def test_limit_keeps_the_first_images_of_each_part(sample):
    few = data.load("sample", limit=20)
    np.testing.assert_array_equal(few.x_train, sample.x_train[:20])
    np.testing.assert_array_equal(few.y_val, sample.y_val[:20])


@pytest.fixture
def folder(tmp_path):
    """A copy of the sample's files, to damage."""
    for name in sources.FILES:
        shutil.copy(sources.SAMPLE_DIR / f"{name}.gz", tmp_path)
    return tmp_path


def expect(folder, name, *words):
    with pytest.raises(data.DataError) as error:
        sources.read_folder(folder, data.SHA256["sample"])
    for word in (str(folder), name, *words):
        assert word in str(error.value)


def test_uncompressed_files_do_as_well(folder, sample):
    path = folder / f"{sources.FILES[0]}.gz"
    path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
    path.unlink()
    arrays = sources.read_folder(folder, data.SHA256["sample"])
    np.testing.assert_array_equal(data.to_float(arrays[sources.FILES[0]]), sample.x_train)


def test_a_flipped_bit_is_named_with_the_hash_it_should_have(folder):
    name = sources.FILES[1]
    content = bytearray(gzip.decompress((folder / f"{name}.gz").read_bytes()))
    content[100] ^= 1
    (folder / f"{name}.gz").write_bytes(gzip.compress(bytes(content)))
    expect(folder, name, data.SHA256["sample"][name])


def test_a_flipped_bit_in_the_compressed_bytes_is_named_too(folder):
    name = sources.FILES[0]
    content = bytearray((folder / f"{name}.gz").read_bytes())
    content[len(content) // 2] ^= 0xFF
    (folder / f"{name}.gz").write_bytes(content)
    expect(folder, name, data.SHA256["sample"][name])


def test_fewer_labels_than_images_are_refused(folder):
    name = sources.FILES[1]
    content = gzip.decompress((folder / f"{name}.gz").read_bytes())
    fewer = content[:4] + (5999).to_bytes(4, "big") + content[8:-1]  # a whole IDX file, but one label short
    (folder / f"{name}.gz").write_bytes(gzip.compress(fewer))
    expect(folder, name, data.SHA256["sample"][name])


@pytest.mark.parametrize(
    "damage", [lambda b: b[: len(b) // 2], lambda b: b"<html>Not found</html>", lambda b: b""]
)
def test_a_truncated_a_foreign_and_an_empty_file_are_named(folder, damage):
    name = sources.FILES[2]
    path = folder / f"{name}.gz"
    path.write_bytes(damage(path.read_bytes()))
    expect(folder, name, data.SHA256["sample"][name])


def test_swapped_files_are_refused(folder):
    images, test_images = folder / f"{sources.FILES[0]}.gz", folder / f"{sources.FILES[2]}.gz"
    images.rename(folder / "aside")
    test_images.rename(images)
    (folder / "aside").rename(test_images)
    expect(folder, sources.FILES[0])


def test_a_missing_file_is_named(folder):
    (folder / f"{sources.FILES[3]}.gz").unlink()
    expect(folder, sources.FILES[3], "missing")


def test_a_chosen_folder_is_used_or_refused_never_replaced(folder, monkeypatch):
    monkeypatch.setenv("FMNIST_DATA_DIR", str(folder))
    with pytest.raises(
        data.DataError, match="FMNIST_DATA_DIR: .* not c59f468a"
    ):  # the sample is not the full data set
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


def test_when_all_sources_fail_one_error_names_them_and_the_mend(nowhere):
    with pytest.raises(data.DataError) as error:
        data.load("full")
    message = str(error.value)
    places = ["FMNIST_DATA_DIR", str(nowhere / "nothing"), str(sources.cache_dir()), "Keras' download"]
    for place in (*places, "apt-get download", "apt-get install dataset-fashion-mnist", "no network"):
        assert place in message
    assert data.load("sample").x_train.shape == (6000, 28, 28, 1)


def test_a_bad_file_in_the_cache_is_fetched_again_once(nowhere, monkeypatch):
    # The sample stands in for the full data set, so that no network and no package is needed.
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
