"""Intervals and tests against scipy's, against the definition, and against simulated truths."""

import sys

import numpy as np
import pytest
from scipy import stats

from fmnist_keras import runs
from fmnist_keras.report import statistics

sys.path.insert(0, str(runs.ROOT / "benchmarks"))
import coverage


def crossed(rng, seeds=4, images=200, of_seeds=0.05, of_images=0.1):
    rest = rng.normal(0, 0.2, (seeds, images))
    return rest + rng.normal(0, of_seeds, (seeds, 1)) + rng.normal(0, of_images, (1, images))


@pytest.mark.parametrize("theirs", [None, [0.90, 0.905]])
def test_one_value_a_run_is_student_s_and_welch_s(theirs):
    """The latter of two units, of different numbers of runs."""
    ours, mean = [0.91, 0.93, 0.92], 0.92 - (0 if theirs is None else 0.9025)
    test = stats.ttest_1samp(ours, 0) if theirs is None else stats.ttest_ind(ours, theirs, equal_var=False)
    units = [np.array(ours)[:, None], *([] if theirs is None else [-np.array(theirs)[:, None]])]
    assert statistics.interval(units, 0.9) == pytest.approx((mean, *test.confidence_interval(0.9)))


def test_equal_values_and_one_seed():
    """The former have no error, the latter no interval."""
    equal = [np.full((2, 1), 0.5), np.full((3, 1), -0.25)]
    assert statistics.interval(equal) == (0.25, 0.25, 0.25)
    assert np.isnan(statistics.interval([equal[0], equal[1][:1]])[1:]).all()


def test_mean_squares_add_up():
    differences = crossed(np.random.default_rng(2), seeds=3, images=5)
    of_seeds, of_rest = statistics.mean_squares(differences)
    of_images = 3 * differences.mean(axis=0).var(ddof=1)
    total = differences.var() * differences.size
    assert 2 * of_seeds + 4 * of_images + 8 * of_rest == pytest.approx(total)
    assert of_seeds == pytest.approx(5 * differences.mean(axis=1).var(ddof=1))


def test_variances_of_units_add_up():
    """The variance of a sum of two units, and its degrees of freedom, worked out by hand."""
    rng = np.random.default_rng(5)
    units = [crossed(rng, seeds=6), -crossed(rng, seeds=5)]
    mean, error, freedom = statistics.moments(units)
    by_image = units[0].mean(axis=0) + units[1].mean(axis=0)
    terms, parts = [by_image.var(ddof=1) / 200], [(by_image.var(ddof=1) / 200) ** 2 / 199]
    for unit in units:
        of_seeds, of_rest = statistics.mean_squares(unit)
        terms.append((of_seeds - of_rest) / unit.size)
        parts.append((of_seeds / unit.size) ** 2 / (len(unit) - 1))
    assert (mean, error**2) == pytest.approx((by_image.mean(), sum(terms)))
    assert freedom == pytest.approx(sum(terms) ** 2 / sum(parts))


@pytest.mark.parametrize("seeds", [*coverage.ONE, *coverage.TWO])
def test_intervals_contain_the_truth(seeds):
    """Of worlds like the landed runs', like shirts, and without an effect of seeds; see `coverage.md`."""
    rng = np.random.default_rng(sum(seeds))
    least, most = (0.93, 0.975) if min(seeds) >= 5 else (0.91, 1)  # 0.90 without `few`
    for name, spreads in coverage.WORLDS.items():
        inside, above = coverage.coverage(spreads, seeds, 8_000, rng)
        assert least <= inside <= most, name
        assert above < 0.05, name


@pytest.mark.parametrize("seeds", [(4,), (4, 3)])
def test_coverage_draws_right_mean_squares(seeds):
    """Chi-square draws instead of images give the same standard errors as images."""
    rng = np.random.default_rng(0)
    spreads = (0.05, 0.1, 0.2, 200)
    drawn = []
    for _ in range(300):
        units = [crossed(rng, count, of_images=0) for count in seeds]
        drawn.append(statistics.moments([units[0] + rng.normal(0, 0.1, 200), *units[1:]])[1])
    _, errors, _ = coverage.normal_world(spreads, seeds, 20_000, rng)
    assert np.mean(drawn) == pytest.approx(errors.mean(), rel=0.06)


def test_a_prediction_interval_holds_the_next_run():
    assert coverage.predicted(4, 600, np.random.default_rng(0)) == pytest.approx(0.95, abs=0.03)
    low, high = statistics.prediction_interval([1.0, 2.0, 3.0])
    assert (low, high) == pytest.approx((2 - 4.303 * np.sqrt(4 / 3), 2 + 4.303 * np.sqrt(4 / 3)), rel=1e-3)


def test_equivalence_is_two_one_sided_tests():
    values = np.array([0.002, -0.001, 0.001, 0.003])[:, None]
    found = statistics.difference([values], -0.01, 0.01)
    tests = [
        stats.ttest_1samp(values[:, 0], bound, alternative=side).pvalue
        for bound, side in ((-0.01, "greater"), (0.01, "less"))
    ]
    assert found.p_inside == pytest.approx(max(tests))
    assert statistics.difference([values + 0.05], -0.01, 0.01).p_outside < 0.001
    assert statistics.difference([values * 50], -0.01, 0.01).p_inside > 0.05  # not told apart is not alike


@pytest.mark.parametrize("count", [0, 2, 6])
def test_a_share_is_binomial(count):
    found = statistics.share([np.arange(6)[:, None] < count])
    bounds = stats.binomtest(count, 6).proportion_ci()
    assert (found.mean, found.low, found.high) == pytest.approx((count / 6, *bounds))
    sides = [stats.binomtest(count, 6, 0.5, side).pvalue for side in ("greater", "less")]
    assert (found.p_inside, found.p_outside) == pytest.approx(sides)


def test_a_narrow_prediction_contains_the_number():
    near = np.array([0.1, -0.1, 0.0, 0.05])[:, None]
    assert statistics.narrow_prediction([near], -1, 1).p_inside == 0
    assert statistics.narrow_prediction([near * 10], -1, 1).p_inside == 1  # a wide interval holds anything
    assert statistics.narrow_prediction([near + 0.5], -1, 1).p_inside == 1
    assert statistics.narrow_prediction([near + 0.9], -1, 1).p_outside < 0.025


def test_linear_logs_have_the_ratio_s_error():
    """Their means are the logarithms, and their spread over images that of the mean, to first order."""
    errors = np.exp(np.random.default_rng(3).normal(-3, 0.5, (3, 2_000)))
    linear = statistics.linear_log(errors)
    assert linear.mean(axis=1) == pytest.approx(np.log(errors.mean(axis=1)))
    assert linear.std(axis=1) == pytest.approx(errors.std(axis=1) / errors.mean(axis=1))


def test_linear_shares_have_the_class_s_error():
    rng = np.random.default_rng(4)
    members, hits = np.arange(1_000) % 10 == 6, rng.random((2, 1_000)) < 0.7
    linear, own = statistics.linear_share(hits, members), hits[:, members]
    assert linear.mean(axis=1) == pytest.approx(own.mean(axis=1))
    assert linear.std(axis=1) / np.sqrt(1_000) == pytest.approx(own.std(axis=1) / np.sqrt(100))


def test_holm_s_p_values():
    assert statistics.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert statistics.holm([0.9, 0.8]) == pytest.approx([1, 1])


@pytest.mark.parametrize("seeds", [2, 5])
def test_wrong_verdicts_are_rare(seeds):
    rng = np.random.default_rng(seeds)
    for draw, verdict in (
        (lambda: coverage.differences(0, 0, np.inf, 3, seeds, rng), "holds"),
        (lambda: coverage.differences(0.03, -0.03, 0.03, 1, seeds, rng), "holds"),
        (lambda: coverage.differences(0, 0, np.inf, 9, seeds, rng), "does not hold"),
        (lambda: coverage.cells(1, seeds, rng), "holds"),
        (lambda: coverage.cells(0, seeds, rng), "does not hold"),
    ):
        assert coverage.verdicts(draw, 100)[verdict] <= 0.1  # 5 % and twice its standard error
