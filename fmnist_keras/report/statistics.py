"""Comparing two models over the seeds that both have: ratios of errors, gaps of accuracies, intervals.

Everywhere `runs` is a dict of model name to the list of its runs, one per seed, as `runs.read` gives them.
"""

import numpy as np
from scipy.special import stdtrit

from . import paper


class NotEnough(Exception):
    """Runs that a claim needs are not there; the message names them."""


def need(runs, *names):
    """Raise `NotEnough` unless every model of `names` has a run."""
    absent = [name for name in names if not runs.get(name)]
    if absent:
        raise NotEnough(f"no run of {', '.join(absent)}")


def paired(runs, first, second, value):
    """`value` of both models' runs, for the seeds that both have: two float arrays."""
    by_seed = [{run["seed"]: value(run) for run in runs[name]} for name in (first, second)]
    seeds = sorted(by_seed[0].keys() & by_seed[1].keys())
    if not seeds:
        raise NotEnough(f"{first} and {second} have no seed in common")
    return tuple(np.array([values[seed] for seed in seeds], float) for values in by_seed)


def interval(values):
    """Mean and 95 % interval of Student's t over seeds; the interval is None with fewer than two."""
    from scipy.stats import t

    values = np.asarray(values, float)
    if len(values) < 2:
        return values.mean(), None
    half = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return values.mean(), (values.mean() - half, values.mean() + half)


def ratio(runs, first, second):
    """The ratio of two models' validation errors, seed by seed, on a logarithmic scale: mean, interval."""
    above, below = paired(runs, first, second, val_loss)
    mean, bounds = interval(np.log(above / below))
    return np.exp(mean), None if bounds is None else tuple(np.exp(bounds))


def accuracy_gap(runs, first, second, only=None):
    """How much more accurate `first` is than `second` on the same images.

    Args:
        runs: dict of model name to runs.
        first: a classifier's name.
        second: another's.
        only: a class's label, to count its images alone; None counts all.

    Returns:
        The difference, a mean over the seeds that both have, and its 95 % interval by a paired bootstrap over
        images.
    """
    from scipy.stats import bootstrap

    one, other = paired(runs, first, second, lambda run: run["seed"])
    right = {
        name: np.mean([_right(run, only) for run in runs[name] if run["seed"] in one], axis=0)
        for name in (first, second)
    }
    gaps = right[first] - right[second]
    low_high = bootstrap(
        *((gaps,), np.mean), n_resamples=999, method="percentile", batch=50, rng=np.random.default_rng(0)
    ).confidence_interval
    return float(gaps.mean()), (float(low_high.low), float(low_high.high))


def _right(run, only=None):
    labels, predictions = (np.frombuffer(run[k].encode(), np.uint8) for k in ("labels", "predictions"))
    right = (labels == predictions).astype(float)
    return right if only is None else right[labels == ord(str(only))]


def val_loss(run):
    """The validation loss of a run."""
    return run["val"]["loss"]


def deviations(grouped):
    """What lies beyond `paper.TOLERANCE`: a list of (model, row, the paper's number, our mean)."""
    return [
        (model, row, theirs, float(mean))
        for model, seeds in grouped.items()
        for row, theirs in paper.RESULTS.get(model, {}).items()
        for part, quantity in [row.split()]
        for mean in [np.mean([m[part][quantity] for m in seeds])]
        if abs(mean - theirs) > paper.TOLERANCE[quantity]
    ]


# From here on: as branch `stats` has it.
LEVEL = 0.95
FEW = 5  # seeds; see `mean_error`


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
    difference that shows, and the freedom is the images'; but for fewer than five seeds, of which two are
    alike by chance often enough that 87 % of the intervals would hold the truth. Arguments may be arrays.
    """
    total = np.maximum(of_seeds + of_images - of_rest, of_images)
    counted = np.where((of_seeds < of_rest) & (seeds >= FEW), 0, of_seeds)
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
