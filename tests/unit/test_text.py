"""Sentences about one run."""

import numpy as np
import pytest

from fmnist_keras.report import text


def test_every_suite_but_the_paper_s_has_a_banner():
    assert text.banner("paper", "full", "paper") == ""
    for arguments in (
        ("sample", "sample", "paper"),
        ("holdout", "full", "holdout"),
        ("paper", "full", "paper", 50),
    ):
        assert "not the paper's runs" in text.banner(*arguments)


def test_a_dead_class_is_warned_of():
    confusion = 100 * np.eye(10, dtype=int)
    assert "Warning" not in text.classes(confusion)
    confusion[6] = [100, *[0] * 9]
    assert "never recognised: Shirt" in text.classes(confusion)


@pytest.mark.parametrize(("error", "warns"), [(0.0865, False), (0.1247, True)])
def test_a_guess_is_as_good(error, warns):
    """A run's page says if a guess that sees no image has its error."""
    said = text.baselines(error, {"constant grey": 0.1242, "mean image": 0.0866})
    assert (
        "One grey for every image would have a mean squared error of 0.1242, the mean image 0.0866." in said
    )
    assert ("has learned nothing of the images" in said) == warns


def test_one_class_for_every_image_is_nothing_learned():
    some, none = np.eye(10, dtype=int) + 1, np.eye(10, dtype=int)[[3] * 10]
    assert "One class for every image would be right for 10.0%." in text.classes(some)
    assert "has learned nothing" not in text.classes(some)
    assert "has learned nothing" in text.classes(none)
