"""What a few runs say about the next: intervals over seeds and images, and tests of a region.

A measured difference has two sources of chance that are crossed: the runs (seeds) and the validation images.
Runs that share a start are a unit, paired by seed; units are independent of each other, see `units`.
Reading: Bouthillier et al., "Accounting for Variance in Machine Learning Benchmarks", 2021; Owen, "The
pigeonhole bootstrap", 2007. `benchmarks/coverage.py` measures how often these intervals hold the truth.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import bdtr, bdtrc, betaincinv, stdtr, stdtrit

LEVEL = 0.95
FEW = 5  # seeds; see `mean_error`
TINY = np.finfo(float).tiny
ALPHA = (1 - LEVEL) / 2  # of each one-sided test: an interval of LEVEL that lies beyond a bound, in one rule


class Estimate(NamedTuple):
    """A number that runs gave, its interval, and the p-values of a region's two null hypotheses.

    Attributes:
        mean: the estimate.
        low: the lower end of its interval.
        high: the upper end.
        p_inside: of "it lies outside of the region"; small where it is inside.
        p_outside: of "it lies inside of the region"; small where it is outside.
    """

    mean: float
    low: float
    high: float
    p_inside: float
    p_outside: float


def mean_squares(unit):
    """Return the mean squares of a unit `(seeds, images)`: of its seeds, and of the rest."""
    seeds, images = unit.shape
    by_seed = unit.mean(axis=1)
    rest = unit - by_seed[:, None] - unit.mean(axis=0) + unit.mean()
    return images * by_seed.var(ddof=1), np.vdot(rest, rest) / ((seeds - 1) * max(images - 1, 1))


def mean_error(of_images, units, images):
    """Return the standard error of a sum of independent units' means, and Satterthwaite's degrees of freedom.

    Two-way random effects: the images have a variance, and each unit's seeds add (MS_seeds - MS_rest) /
    (seeds images), never less than nothing. If they add nothing, the freedom is the images'. But fewer than
    five seeds can be alike by chance: there the freedom counts them for half of MS_rest at least; without
    that, of two seeds, 10 % of intervals would miss the truth. One value a run has no images and no rest, and
    this is Welch's.

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
    """Return the mean of a sum of independent units, its standard error and its degrees of freedom.

    Args:
        units: a list of floats `(seeds, images)`, over the same images, each with two seeds or more; a row
            may be one value, if there are no images.
    """
    by_image = sum(np.mean(unit, axis=0) for unit in units)
    of_images = by_image.var(ddof=1) if len(by_image) > 1 else 0.0
    squares = [(*mean_squares(np.asarray(unit, float)), len(unit)) for unit in units]
    error, freedom = mean_error(of_images, squares, len(by_image))
    return (
        by_image.mean(),
        error,
        freedom or 1,
    )  # values that are all the same: no error, whatever its freedom


def interval(units, level=LEVEL):
    """Return the mean of a sum of units and its interval over new seeds and new images.

    Args:
        units: see `moments`. If one of them has a single seed, there is no interval.
        level: how often the interval is to hold the truth.

    Returns:
        mean, low, high; low and high are NaN without an interval.
    """
    if min(map(len, units)) < 2:
        return sum(np.mean(unit) for unit in units), np.nan, np.nan
    mean, error, freedom = moments(units)
    half = stdtrit(freedom, (1 + level) / 2) * error
    return mean, mean - half, mean + half


def prediction_interval(values, level=LEVEL):
    """Where one new run would lie: low, high, of one value a seed `(seeds,)` (Patil, Peng, Leek 2016)."""
    values = np.asarray(values, float)
    error = values.std(ddof=1) * np.sqrt(1 + 1 / len(values))
    half = stdtrit(len(values) - 1, (1 + level) / 2) * error
    return values.mean() - half, values.mean() + half


def difference(units, low=-np.inf, high=np.inf):
    """Return the `Estimate` of a sum of units, see `moments`, against a region [low, high].

    With both bounds it is equivalence by two one-sided tests (Schuirmann 1987).
    """
    mean, error, freedom = moments(units)
    nearest = min(mean - low, high - mean) / max(error, 1e-12)
    half = stdtrit(freedom, (1 + LEVEL) / 2) * error
    inside, outside = stdtr(freedom, -nearest), stdtr(freedom, nearest)
    return Estimate(mean, mean - half, mean + half, inside, outside)


def share(units, low=0.5, high=1.0):
    """Return the `Estimate` of how often something happens against a region above `low`.

    Args:
        units: one, `(runs, 1)` of bool.
        low: the region's lower bound.
        high: its upper bound, which no share exceeds.
    """
    (happened,) = units
    count, runs = int(np.sum(happened)), len(happened)
    # As scipy.stats.binomtest, after Clopper and Pearson, without the seconds that its import takes.
    lower = betaincinv(count, runs - count + 1, ALPHA) if count else 0.0
    upper = betaincinv(count + 1, runs - count, 1 - ALPHA) if count < runs else 1.0
    inside = bdtrc(count - 1, runs, low) if count else 1.0
    return Estimate(count / runs, lower, upper, inside, bdtr(count, runs, low))


def reproduction(units, low, high):
    """Return the `Estimate` of one new run's distance from another's number, a prediction.

    The other may be such a run if the interval holds 0. That it is one is said only if the interval is within
    the region too: a wide one holds anything.

    Args:
        units: one, our runs' distances `(seeds, 1)`.
        low: the region's lower bound.
        high: its upper bound.
    """
    (values,) = (np.ravel(unit).astype(float) for unit in units)
    mean, error = values.mean(), max(values.std(ddof=1) * np.sqrt(1 + 1 / len(values)), 1e-12)
    bounds = prediction_interval(values)
    within = low < bounds[0] <= 0 <= bounds[1] < high
    return Estimate(mean, *bounds, 0.0 if within else 1.0, stdtr(len(values) - 1, -abs(mean) / error))


def linear_log(values):
    """The logarithm of each seed's mean, spread over its images: `(seeds, images)`, whose rows average to it.

    To first order a ratio of mean errors then varies with the images as the difference of two of these.
    """
    means = values.mean(axis=1, keepdims=True)
    return np.log(means) + values / means - 1


def linear_share(hits, members):
    """The share of `members` `(images,)` that are hits `(seeds, images)`, spread over all images as above."""
    shares = hits[:, members].mean(axis=1, keepdims=True)
    return shares + (hits - shares) * members / members.mean()


def holm(p_values):
    """Holm's adjusted p-values (1979), in the order given."""
    order = np.argsort(p_values)
    scaled = np.asarray(p_values, float)[order] * np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1)
    return adjusted
