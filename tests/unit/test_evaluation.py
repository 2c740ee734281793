import numpy as np
import pytest
from sklearn import metrics

from fmnist_keras import evaluation


def test_class_scores_agree_with_scikit_learn():
    """The last class is rarely predicted, and the first never."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 10, 500)
    guesses = np.where((rng.random(500) < 0.7) & (labels > 0), labels, rng.integers(1, 9, 500))
    theirs = metrics.precision_recall_fscore_support(labels, guesses, labels=range(10), zero_division=0)
    counts = evaluation.confusion_counts(labels, guesses)
    for ours, expected in zip(evaluation.class_scores(counts).values(), theirs):
        np.testing.assert_allclose(ours, expected)
    assert evaluation.dead_classes(counts) == [0]
    assert evaluation.dead_classes([[0, 0], [1, 1]]) == []  # the first has no images


def test_confusion_counts():
    """There is a row and a column for every class; an empty row's shares are 0."""
    counts = evaluation.confusion_counts([0, 0, 3], [0, 9, 3])
    assert counts.shape == (10, 10)
    assert (counts[0, 0], counts[0, 9], counts[3, 3], counts.sum()) == (1, 1, 1, 3)
    shares = evaluation.normalised_rows(counts)
    assert (shares[0, 9], shares[1].sum()) == (0.5, 0)


def test_errors_by_pixel_and_image(images):
    others = images[::-1]
    by_pixel, by_image = evaluation.pixel_errors(images, others), evaluation.image_errors(images, others)
    assert (by_pixel.shape, by_image.shape) == ((28, 28), (256,))
    expected = pytest.approx(np.mean((images.astype("float64") - others) ** 2))
    assert (by_pixel.mean(), by_image.mean()) == (expected, expected)


def test_packed_errors_keep_their_precision():
    errors = np.geomspace(1e-6, 1, 1000)
    np.testing.assert_allclose(evaluation.unpack(evaluation.pack(errors)), errors, rtol=5e-4, atol=3e-8)


def test_most_confused():
    """The diagonal is left out, and what never happened."""
    counts = np.diag([50, 60, 70])
    counts[2, 0], counts[0, 1] = 9, 4
    assert evaluation.most_confused(counts, 2) == [(2, 0), (0, 1)]
    assert evaluation.most_confused([[1, 2], [3, 4]], 4) == [(1, 0), (0, 1)]
    assert evaluation.most_confused(np.eye(3)) == []


def test_calibration():
    certain = np.eye(10)[[0, 1, 2, 3]]
    perfect = evaluation.calibration(certain, np.array([0, 1, 2, 3]))
    assert (perfect["ece"], sum(perfect["count"])) == (0, 4)
    assert evaluation.calibration(certain, np.array([0, 1, 9, 9]))["ece"] == pytest.approx(0.5)
    unsure = evaluation.calibration(np.array([[0.55, 0.45], [0.24, 0.76]]), np.array([0, 1]), bins=10)
    assert np.flatnonzero(unsure["count"]).tolist() == [5, 7]


def test_baselines_are_made_of_training_images():
    """The errors are on the others."""
    train, val = np.zeros((20, 28, 28, 1), "float32"), np.full((4, 28, 28, 1), 0.5, "float32")
    train[:, 0] = 0.7  # one row of 28: the mean is 0.025
    found = evaluation.baseline_errors(train, val)
    assert found["constant grey"] == pytest.approx(0.475**2, rel=1e-4)
    assert found["mean image"] == pytest.approx((0.2**2 + 27 * 0.5**2) / 28, rel=1e-4)


def test_principal_components():
    rng = np.random.default_rng(0)
    plane = rng.normal(size=(200, 2)) @ rng.normal(size=(2, 5))
    points, variance = evaluation.principal_components(plane)
    assert (points.shape, variance) == ((200, 2), pytest.approx(1))
