import numpy as np
import pytest
from sklearn import metrics

from fmnist_keras import evaluation


@pytest.fixture
def guesses():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 10, 500)
    return labels, np.where(rng.random(500) < 0.7, labels, rng.integers(0, 9, 500))  # 9 is rarely guessed


def test_scores_of_counts_agree_with_scikit_learn_s_of_labels(guesses):
    theirs = metrics.precision_recall_fscore_support(*guesses, labels=range(10), zero_division=0)
    scores = evaluation.class_scores(evaluation.confusion_counts(*guesses))
    for ours, expected in zip((scores["precision"], scores["recall"], scores["f1"]), theirs):
        np.testing.assert_allclose(ours, expected)


def test_confusion_counts_have_a_row_and_a_column_for_every_class():
    counts = evaluation.confusion_counts([0, 0, 3], [0, 9, 3])
    assert counts.shape == (10, 10)
    assert (counts[0, 0], counts[0, 9], counts[3, 3], counts.sum()) == (1, 1, 1, 3)


def test_rows_are_normalised_and_an_empty_row_stays_zero():
    shares = evaluation.normalised_rows([[8, 2], [0, 0]])
    np.testing.assert_array_equal(shares, [[0.8, 0.2], [0, 0]])


def test_a_class_never_predicted_scores_zero_without_a_warning():
    scores = evaluation.class_scores([[5, 0], [3, 0]])
    assert (scores["precision"][1], scores["recall"][1], scores["f1"][1]) == (0, 0, 0)


def test_errors_by_pixel_and_by_image(images):
    others = images[::-1]
    by_pixel, by_image = evaluation.pixel_errors(images, others), evaluation.image_errors(images, others)
    assert (by_pixel.shape, by_image.shape) == ((28, 28), (256,))
    expected = np.mean((images.astype("float64") - others) ** 2)
    assert by_pixel.mean() == pytest.approx(expected)
    assert by_image.mean() == pytest.approx(expected)


def test_packed_errors_keep_their_precision():
    errors = np.geomspace(1e-6, 1, 1000)
    np.testing.assert_allclose(evaluation.unpack(evaluation.pack(errors)), errors, rtol=5e-4, atol=3e-8)


def test_most_confused_pairs_leave_the_diagonal_out():
    counts = np.diag([50, 60, 70])
    counts[2, 0], counts[0, 1] = 9, 4
    assert evaluation.most_confused(counts, 2) == [(2, 0), (0, 1)]


def test_calibration():
    certain = np.eye(10)[[0, 1, 2, 3]]
    perfect = evaluation.calibration(certain, np.array([0, 1, 2, 3]))
    assert perfect["ece"] == 0
    assert sum(perfect["count"]) == 4
    assert evaluation.calibration(certain, np.array([0, 1, 9, 9]))["ece"] == pytest.approx(0.5)


def test_principal_components_find_the_plane():
    rng = np.random.default_rng(0)
    plane = rng.normal(size=(200, 2)) @ rng.normal(size=(2, 5))
    points, variance = evaluation.principal_components(plane)
    assert points.shape == (200, 2)
    assert variance == pytest.approx(1)
