"""How often the report's intervals hold the truth, and how often its verdicts are wrong: reports/coverage.md.

    python benchmarks/coverage.py

Worlds are simulated in which the truth is known. The spreads of the first two are those of models 5 and 6
over two seeds: of their accuracies and of their recall of shirts.
"""

from functools import partial

import numpy as np
import pandas as pd
from scipy import stats

from fmnist_keras.params import ROOT
from fmnist_keras.report import claims, statistics

ONE = ((2,), (3,), (5,), (10,), (30,))  # seeds of models that share a start
TWO = ((2, 2), (3, 3), (5, 5), (10, 10), (10, 5), (5, 2))  # of each of two that do not
# Standard deviations of seeds, of images and of the rest, and the number of images.
WORLDS = {
    "accuracies, seeds 0.2 points apart": (0.002, 0.09, 0.22, 10_000),
    "recall of shirts, seeds 8 points apart": (0.08, 0.10, 0.35, 1_000),
    "recall of shirts, seeds 3 points apart": (0.03, 0.10, 0.35, 1_000),
    "model 8 against model 6": (0.002, 0.28, 0.23, 10_000),
    "accuracies, seeds without any effect": (0.0, 0.09, 0.22, 10_000),
    "recall of shirts, seeds without any effect": (0.0, 0.10, 0.35, 1_000),
    "one value a run": (1.0, 0.0, 0.0, 1),
}

PAGE = """# How often the report is right

Made by `python benchmarks/coverage.py`, from simulated worlds whose truth is known: {times} times each, and
{drawn_times} times where images or runs are drawn one by one. Models that share a start are paired by seed;
of two that share none, "10 + 5" is ten seeds of the one and five of the other, each as far apart as the row
says.

## Nominal 95 % intervals that hold the truth, in per cent

{}

{}

## Wrong verdicts, in per cent

The truth is where a verdict is wrong most often: at the bound of a region, or where a row says. Each test is
one-sided at 2.5 %.

{}

{}
"""


def normal_world(spreads, seeds, times, rng):
    """Return means, standard errors and degrees of freedom of normal differences around 0, `(times,)` each.

    Their mean squares are independent, and chi-square distributed, so that no image needs to be drawn.

    Args:
        spreads: see `WORLDS`.
        seeds: of each unit.
        times: how many differences.
        rng: a `numpy.random.Generator`.
    """
    of_seeds, of_images, of_rest, images = spreads

    def squares(expected, freedom):
        return expected * rng.chisquare(freedom, times) / freedom if freedom else 0.0

    by_image = of_images**2 + sum(of_rest**2 / count for count in seeds)
    units = [
        (
            squares(of_rest**2 + images * of_seeds**2, count - 1),
            squares(of_rest**2, (count - 1) * (images - 1)),
            count,
        )
        for count in seeds
    ]
    spread = np.sqrt(by_image / images + sum(of_seeds**2 / count for count in seeds))
    errors = statistics.mean_error(squares(by_image, images - 1), units, images)
    return rng.normal(0, spread, times), *errors


def coverage(spreads, seeds, times, rng):
    """Return the share of 95 % intervals that hold the truth, and of those that lie above it."""
    means, errors, freedom = normal_world(spreads, seeds, times, rng)
    half = stats.t.ppf((1 + statistics.LEVEL) / 2, freedom) * errors
    return np.mean(abs(means) <= half), np.mean(means > half)


def right_or_wrong(seeds, rng, images=2_000):
    """Return what two classifiers have right, each of some seeds, and the truth of their difference.

    They are right if a normal score is above 0.
    """
    hardness = rng.normal(0, 1, (1, images))
    scores = [
        level + hardness + rng.normal(0, 0.05, (count, 1)) + rng.normal(0, 0.5, (count, images))
        for level, count in zip((1.9, 1.8), seeds)
    ]
    spread = np.sqrt(1 + 0.05**2 + 0.5**2)
    return [(s > 0).astype(float) for s in scores], np.subtract(*stats.norm.cdf([1.9, 1.8] / spread))


def mean_errors(seeds, rng, images=2_000):
    """Return two autoencoders' log errors, linearised, each of some seeds, and the truth of their difference.

    The errors are log-normal over images and seeds.
    """
    hardness = rng.normal(0, 0.5, (1, images))
    errors = [
        np.exp(level + hardness + rng.normal(0, 0.03, (count, 1)) + rng.normal(0, 0.2, (count, images)))
        for level, count in zip((-3.0, -3.4), seeds)
    ]
    return [statistics.linear_log(one) for one in errors], 0.4


DRAWN = {"right or wrong, image by image": right_or_wrong, "ratio of mean errors": mean_errors}


def drawn(world, seeds, times, rng):
    """Return `coverage` of a world whose images are drawn one by one."""
    found = []
    for _ in range(times):
        (ours, theirs), truth = world((seeds[0], seeds[-1]), rng)
        units = [ours - theirs] if len(seeds) == 1 else [ours, -theirs]
        found.append((statistics.interval(units), truth))
    inside = np.mean([low <= truth <= high for (_, low, high), truth in found])
    return inside, np.mean([low > truth for (_, low, _), truth in found])


def predicted(seeds, times, rng):
    """Return the share of 95 % prediction intervals that hold one more run."""
    runs = rng.normal(size=(times, seeds + 1))
    bounds = [statistics.prediction_interval(row[1:]) for row in runs]
    return np.mean([low <= run <= high for (low, high), run in zip(bounds, runs[:, 0])])


def verdicts(draw, times):
    """Return the share of each verdict over claims of estimates that `draw()` gives."""
    made = []
    for _ in range(times):
        found = draw()
        adjusted = statistics.holm([one.p_outside for one in found])
        made.append(claims.verdict([one.p_inside for one in found], adjusted))
    return {name: made.count(name) / times for name in (claims.HOLDS, claims.FAILS)}


def differences(truth, low, high, count, seeds, rng):
    """Return estimates of `count` comparisons with one truth: accuracies of 500 images."""
    made = (
        truth + rng.normal(0, 0.01, (seeds, 1)) + rng.normal(0, 0.09, 500) + rng.normal(0, 0.22, (seeds, 500))
        for _ in range(count)
    )
    return [statistics.difference([one], low, high) for one in made]


def cells(apart, seeds, rng):
    """Return sixteen cells of Table III: runs 0.15 margins apart, the paper's `apart` from such a run."""
    ours = rng.normal(0, 0.15, (16, seeds + 1))
    return [statistics.narrow_prediction([(row[1:] - row[0] - apart)[:, None]], -1, 1) for row in ours]


def tables(times, drawn_times, seed=0):
    """Return coverage and error rates of verdicts, each of one unit and of two: four tables, in per cent."""
    rng = np.random.default_rng(seed)
    (one, above), (two, above_two) = (intervals(units, times, drawn_times, rng) for units in (ONE, TWO))
    one["prediction interval, one more run"] = [predicted(*seeds, drawn_times, rng) for seeds in ONE]
    for name, draw in {
        "holds, three comparisons at the bound": lambda s: differences(0, 0, np.inf, 3, s, rng),
        "alike, the truth at the margin": lambda s: differences(0.03, -0.03, 0.03, 1, s, rng),
        "does not hold, nine at the bound": lambda s: differences(0, 0, np.inf, 9, s, rng),
        "holds, a share of exactly one half": lambda s: [statistics.share([rng.random((s, 1)) < 0.5])],
        "cuadro III holds, the paper's 1 margin away": lambda s: cells(1, s, rng),
        "cuadro III does not hold, the paper's a run of ours": lambda s: cells(0, s, rng),
    }.items():
        verdict = claims.FAILS if "does not hold" in name else claims.HOLDS
        above[name] = [verdicts(partial(draw, *seeds), drawn_times)[verdict] for seeds in ONE]
    columns = [[f"{' + '.join(map(str, seeds))} seeds" for seeds in units] for units in (ONE, TWO)]
    made = zip((one, two, above, above_two), 2 * columns)
    return [100 * pd.DataFrame(found, names).T for found, names in made]


def intervals(units, times, drawn_times, rng):
    """Return rows of `coverage` of all worlds, a value for each number of seeds of units: two dicts."""
    ways = {name: partial(coverage, spreads, times=times) for name, spreads in WORLDS.items()}
    ways |= {name: partial(drawn, world, times=drawn_times) for name, world in DRAWN.items()}
    rows, above = {}, {}
    for name, way in ways.items():
        rows[name], above[f"holds, truth at the bound: {name}"] = zip(
            *(way(seeds, rng=rng) for seeds in units)
        )
    return rows, above


def page(times, drawn_times):
    """Return the text of reports/coverage.md."""
    made = (table.to_markdown(floatfmt=".1f") for table in tables(times, drawn_times))
    return PAGE.format(*made, times=f"{times:,}", drawn_times=f"{drawn_times:,}")


if __name__ == "__main__":
    (ROOT / "reports" / "coverage.md").write_text(page(times=20_000, drawn_times=2_000), encoding="utf-8")
