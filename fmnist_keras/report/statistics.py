"""What a few runs say about the next: intervals over seeds and images, and tests of a region.

A measured difference has two sources of chance that are crossed: the runs (seeds) and the validation images.
Reading: Bouthillier et al., "Accounting for Variance in Machine Learning Benchmarks", 2021; Owen, "The
pigeonhole bootstrap", 2007. `benchmarks/coverage.py` measures how often these intervals hold the truth.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import bdtr, bdtrc, betaincinv, stdtr, stdtrit

LEVEL = 0.95
FEW = 5  # seeds; see `mean_error`
ALPHA = (1 - LEVEL) / 2  # of each one-sided test: an interval of LEVEL that lies beyond a bound, in one rule


@dataclass(frozen=True)
class Estimate:
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


def mean_squares(differences):
    """The mean squares of differences `(seeds, images)`: of the seeds, of the images, of the rest."""
    seeds, images = differences.shape
    by_seed, by_image = differences.mean(axis=1), differences.mean(axis=0)
    rest = differences - by_seed[:, None] - by_image + differences.mean()
    of_rest = np.vdot(rest, rest) / ((seeds - 1) * (images - 1))
    return images * by_seed.var(ddof=1), seeds * by_image.var(ddof=1), of_rest


def mean_error(of_seeds, of_images, of_rest, seeds, images):
    """The standard error of a mean over seeds and images, and Satterthwaite's degrees of freedom.

    Two-way random effects: the variance of the mean is (MS_seeds + MS_images - MS_rest) / (seeds images), and
    never taken for less than MS_images / (seeds images). Where that floor is reached the seeds make no
    difference that shows, and the freedom is the images'. But fewer than five seeds can be alike by chance:
    there the freedom counts them for half of MS_rest at least; without that, of two seeds, 10 % of intervals
    would miss the truth. Arguments may be arrays.
    """
    total = np.maximum(of_seeds + of_images - of_rest, of_images)
    few = np.maximum(of_seeds, of_rest / 2)
    counted = few if seeds < FEW else np.where(of_seeds < of_rest, 0, of_seeds)
    parts = counted**2 / (seeds - 1) + (of_images**2 + of_rest**2 / (seeds - 1)) / (images - 1)
    return np.sqrt(total / (seeds * images)), total**2 / parts


def crossed_moments(differences):
    """The mean of differences `(seeds, images)`, its standard error and its degrees of freedom.

    A single column is one value a seed, and what follows is Student's t.
    """
    differences = np.asarray(differences, float)
    seeds, images = differences.shape
    if images == 1 or np.ptp(differences) == 0:
        return differences.mean(), differences[:, 0].std(ddof=1) / np.sqrt(seeds), seeds - 1
    return differences.mean(), *mean_error(*mean_squares(differences), seeds, images)


def crossed_interval(differences, level=LEVEL):
    """The mean of differences `(seeds, images)` and its interval over new seeds and new images.

    Args:
        differences: floats, at least two seeds; a row may hold one value, where there are no images.
        level: how often the interval is to hold the truth.

    Returns:
        mean, low, high.
    """
    mean, error, freedom = crossed_moments(differences)
    half = stdtrit(freedom, (1 + level) / 2) * error
    return mean, mean - half, mean + half


def prediction_interval(values, level=LEVEL):
    """Where one new run would lie: low, high, of one value a seed `(seeds,)` (Patil, Peng, Leek 2016)."""
    values = np.asarray(values, float)
    error = values.std(ddof=1) * np.sqrt(1 + 1 / len(values))
    half = stdtrit(len(values) - 1, (1 + level) / 2) * error
    return values.mean() - half, values.mean() + half


def welch_interval(ours, theirs, level=LEVEL):
    """The mean of some runs' values less that of others', and its interval over new runs (Welch 1947).

    Args:
        ours: `(n,)` floats, at least two.
        theirs: the same, unpaired.
        level: how often the interval is to hold the truth.

    Returns:
        difference, low, high.
    """
    gap, parts = np.mean(ours) - np.mean(theirs), [np.var(v, ddof=1) / len(v) for v in (ours, theirs)]
    if not any(parts):
        return gap, gap, gap
    freedom = sum(parts) ** 2 / sum(p**2 / (len(v) - 1) for p, v in zip(parts, (ours, theirs)))
    half = stdtrit(freedom, (1 + level) / 2) * np.sqrt(sum(parts))
    return gap, gap - half, gap + half


def difference(differences, low=-np.inf, high=np.inf):
    """The `Estimate` of differences `(seeds, images)` against a region [low, high].

    With both bounds it is equivalence by two one-sided tests (Schuirmann 1987).
    """
    mean, error, freedom = crossed_moments(differences)
    nearest = min(mean - low, high - mean) / max(error, 1e-12)
    half = stdtrit(freedom, (1 + LEVEL) / 2) * error
    inside, outside = stdtr(freedom, -nearest), stdtr(freedom, nearest)
    return Estimate(mean, mean - half, mean + half, inside, outside)


def share(happened, low=0.5, high=1.0):
    """The `Estimate` of how often something happens, `(runs, 1)` of bool, against a region above `low`."""
    count, runs = int(np.sum(happened)), len(happened)
    # As scipy.stats.binomtest, after Clopper and Pearson, without the seconds that its import takes.
    lower = betaincinv(count, runs - count + 1, ALPHA) if count else 0.0
    upper = betaincinv(count + 1, runs - count, 1 - ALPHA) if count < runs else 1.0
    inside = bdtrc(count - 1, runs, low) if count else 1.0
    return Estimate(count / runs, lower, upper, inside, bdtr(count, runs, low))


def agreement(differences, low, high):
    """The `Estimate` of one new run's distance from another's number, that of our runs being `(seeds, 1)`.

    The interval is a prediction. The other may be such a run where it holds 0. That it is one is said only
    where the interval is within [low, high] too: a wide one holds anything.
    """
    values = np.ravel(differences).astype(float)
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
