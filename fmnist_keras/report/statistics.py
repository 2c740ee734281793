"""Intervals and tests from a few runs over many images.

A measured difference has two sources of chance that are crossed: the runs (seeds) and the validation images.
Runs that share a start are a unit, paired by seed; units are independent of each other, see `units`.
Reading: Bouthillier et al., "Accounting for Variance in Machine Learning Benchmarks", 2021; Owen, "The
pigeonhole bootstrap", 2007. `benchmarks/coverage.py` measures how often these intervals hold the truth.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import stdtr, stdtrit

LEVEL = 0.95
FEW = 5  # seeds; see `mean_error`
TINY = np.finfo(float).tiny
ALPHA = (1 - LEVEL) / 2  # of each one-sided test: an interval of LEVEL that lies beyond a bound, in one rule


class Estimate(NamedTuple):
    """A mean and its interval, and the p-values of a region's two null hypotheses."""

    mean: float
    low: float
    high: float
    p_inside: float  # of the null hypothesis that the value is outside the region: small if it is inside
    p_outside: float  # of the null hypothesis that it is inside: small if it is outside


def mean_squares(unit):
    """Return the mean squares of a unit `(seeds, images)`: of its seeds, and of the rest."""
    seeds, images = unit.shape
    centred = unit - unit.mean()  # so that the difference of sums of squares below keeps its digits
    by_seed, by_image = centred.mean(axis=1), centred.mean(axis=0)
    of_seeds, of_images = images * np.vdot(by_seed, by_seed), seeds * np.vdot(by_image, by_image)
    rest = max(np.vdot(centred, centred) - of_seeds - of_images, 0)
    return of_seeds / (seeds - 1), rest / ((seeds - 1) * max(images - 1, 1))


def mean_error(of_images, units, images):
    """Return the standard error of a sum of independent units' means, and Satterthwaite's degrees of freedom.

    Two-way random effects: the images have a variance, and each unit's seeds add (MS_seeds - MS_rest) /
    (seeds images), at least 0. If they add nothing, the degrees of freedom are the images'. But fewer than
    five seeds can be alike by chance: then MS_seeds counts as half of MS_rest at least; without that, of two
    seeds, 10 % of intervals would miss the truth. One value a run has no images and no rest: this is Welch's.

    Args:
        of_images: the variance over images of the sum of the units' means; 0 of one value a run.
        units: a list of (MS_seeds, MS_rest, seeds). All mean squares may be arrays.
        images: how many; 1 of one value a run.
    """
    total = of_images / images
    parts = total**2 / max(images - 1, 1)
    for of_seeds, of_rest, seeds in units:
        few = np.maximum(of_seeds, of_rest / 2)
        counted = few if seeds < FEW else np.where(of_seeds < of_rest, 0, of_seeds)
        parts = parts + (counted / (seeds * images)) ** 2 / (seeds - 1)
        total = total + np.maximum(of_seeds - of_rest, 0) / (seeds * images)
    return np.sqrt(total), total**2 / np.maximum(parts, TINY)


def moments(units):
    """Return the mean of a sum of units, its standard error and its degrees of freedom.

    Args:
        units: a list of floats `(seeds, images)`, over the same images, each with two seeds or more; or
            `(seeds, 1)`, one value a run.
    """
    by_image = sum(np.mean(unit, axis=0) for unit in units)
    of_images = by_image.var(ddof=1) if len(by_image) > 1 else 0.0
    squares = [(*mean_squares(np.asarray(unit, float)), len(unit)) for unit in units]
    error, df = mean_error(of_images, squares, len(by_image))
    return by_image.mean(), error, df or 1  # equal values have no error, whatever the degrees of freedom


def _ends(mean, error, df, level=LEVEL):
    """Return the ends of Student's interval."""
    half = stdtrit(df, (1 + level) / 2) * error
    return mean - half, mean + half


def interval(units, level=LEVEL):
    """Return the mean of a sum of units, see `moments`, and its interval over new seeds and new images.

    The ends are NaN if a unit has a single seed.
    """
    if min(map(len, units)) < 2:
        return sum(np.mean(unit) for unit in units), np.nan, np.nan
    found = moments(units)
    return found[0], *_ends(*found, level)


def _next_run(values):
    """Return the mean of one value a seed, the standard error of a new one, and its degrees of freedom."""
    values = np.ravel(values).astype(float)
    return values.mean(), values.std(ddof=1) * np.sqrt(1 + 1 / len(values)), len(values) - 1


def prediction_interval(values):
    """Return the ends of the prediction interval for one new run, of one value a seed `(seeds,)`.

    Reading: Patil, Peng, Leek, "What should researchers expect when they replicate studies?", 2016.
    """
    return _ends(*_next_run(values))


def difference(units, low=-np.inf, high=np.inf):
    """Return the `Estimate` of a sum of units, see `moments`, against a region [low, high].

    With both bounds it is equivalence by two one-sided tests (Schuirmann 1987).
    """
    mean, error, df = moments(units)
    nearest = min(mean - low, high - mean) / max(error, 1e-12)
    return Estimate(mean, *_ends(mean, error, df), stdtr(df, -nearest), stdtr(df, nearest))


def share(units, low=0.5, high=1.0):
    """Return the `Estimate` of how often something happens against a region above `low`: exact, binomial.

    Args:
        units: one, `(runs, 1)` of bool.
        low: the region's lower bound.
        high: its upper bound, which no share exceeds.
    """
    from scipy.stats import binomtest  # whose import takes seconds

    count, runs = int(np.sum(units)), np.size(units)
    p_values = (binomtest(count, runs, low, side).pvalue for side in ("greater", "less"))
    return Estimate(count / runs, *binomtest(count, runs).proportion_ci(LEVEL), *p_values)


def narrow_prediction(units, low, high):
    """Return the `Estimate` of one new run's distance from another's number, with its prediction interval.

    It is inside if the interval contains 0 and is within the region: a wide one contains anything.

    Args:
        units: one, our runs' distances `(seeds, 1)`.
        low: the region's lower bound.
        high: its upper bound.
    """
    mean, error, df = _next_run(units)
    ends = _ends(mean, error, df)
    within = low < ends[0] <= 0 <= ends[1] < high
    return Estimate(mean, *ends, 0.0 if within else 1.0, stdtr(df, -abs(mean) / max(error, 1e-12)))


def linear_log(values):
    """Return the logarithm of each seed's mean, spread over its images: `(seeds, images)`.

    To first order a ratio of mean errors varies with the images as the difference of two of these.
    """
    means = values.mean(axis=1, keepdims=True)
    return np.log(means) + values / means - 1


def linear_share(hits, members):
    """Return the share of `members` `(images,)` that are hits `(seeds, images)`, spread over all images."""
    shares = hits[:, members].mean(axis=1, keepdims=True)
    return shares + (hits - shares) * members / members.mean()


def holm(p_values):
    """Return Holm's adjusted p-values (1979), in the order given."""
    order = np.argsort(p_values)
    scaled = np.asarray(p_values, float)[order] * np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1)
    return adjusted
