"""A study as tables: its runs, its points, and the effect of each value.

`study.json`, beside a study's page, says which run is which point. Runs are compared image by image: the mean
squared error on the validation images of autoencoders, of classifiers whether the prediction is right.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np
import pandas as pd
from scipy.special import fdtrc

from .. import evaluation, runs
from . import paper
from . import suite as suites
from .claims import as_sum
from .statistics import LEVEL, interval
from .units import compared

SUITES = ("paper", "sample")
ROUNDING = 0.001**2 / 12  # the variance that Table III's three decimals add
COMPARED = {"autoencoder": "val_loss", "classifier": "val_accuracy"}
QUANTITIES = ["train_loss", "train_accuracy", "val_loss", "val_accuracy"]
COLUMNS = {"kind": "kind", "seed": "seed"} | {name.replace("_", "."): name for name in QUANTITIES}
COLUMNS |= {
    "best_epoch": "best_epoch",
    "epochs_run": "epochs_run",
    "seconds.total": "seconds",
    "model": "run",
}
FOUR = [*QUANTITIES, "difference", "low", "high", "apart", "F", "p"]  # columns of four decimals


@dataclass(frozen=True)
class Study:
    """A study with its runs.

    Attributes:
        about: the content of `study.json`, and "suite".
        factors: dict of the columns that vary to their values, in the file's order; "changes" of `points`.
        runs: a run a row: base, the factors, of (the quantity that is compared), seed, losses, accuracies,
            epochs, seconds, run.
        grouped: dict of run to its metrics, those of the bases and of all autoencoders too; "by_image" are
            the numbers that are compared `(n,)`.
        left_out: dict of "run, seed k" to the reason why no number of it counts.
    """

    about: dict
    factors: dict
    runs: pd.DataFrame
    grouped: dict
    left_out: dict

    @cached_property
    def points(self):
        """Return a point a row, best first; the index is the file's order.

        Columns: base, the factors, of, run; the means of losses and accuracies; low and high, the 95 %
        interval of the one that is compared, over seeds and images; seeds; and those of `_joint_tests`.
        """
        groups = self.runs.groupby(list(dict.fromkeys(["base", *self.factors, "of", "run"])), sort=False)
        points = groups[QUANTITIES].mean().assign(seeds=groups.size()).reset_index()
        ends = [interval([_by_image(self.grouped[run])])[1:] for run in points["run"]]
        points[["low", "high"]] = np.reshape(ends, (-1, 2))
        theirs = paper.RESULTS if self.about["suite"] in paper.SUITES else {}
        bases = self.runs.groupby("base", sort=False)
        tests = [_joint_tests(part, theirs[base]) for base, part in bases if base in theirs]
        points = points.merge(pd.concat(tests), on=["base", "run"], how="left") if tests else points
        return _formatted(points.sort_values(["val_accuracy", "val_loss"], ascending=[False, True]))

    @cached_property
    def effects(self):
        """Return each value's difference to the base's (or the first) value, all else equal, a value a row.

        Of `points` it is the difference of each to its base. Columns: field, value and against, or base and
        changes; of, the quantity; and those of `difference`.
        """
        contrasts = self._of_values() if self.about["vary"] else self._of_points()
        found = [(words, self.difference(weights)) for words, weights in contrasts]
        return _formatted(pd.DataFrame([words | made for words, made in found if made]))

    def _of_values(self):
        """Yield the words of each effect of `vary`, and its weighted sum of runs."""
        cells, points = self.runs[[*self.factors, "run"]].drop_duplicates(), self.about["points"]
        base = next((point for point in points if point["run"] == point["base"]), points[0])
        for factor in self.factors:
            rest = [name for name in self.factors if name != factor]
            how = {"on": rest} if rest else {"how": "cross"}
            pairs = cells.merge(cells[cells[factor] == base[factor]], suffixes=("", " of base"), **how)
            for value, some in pairs[pairs[factor] != base[factor]].groupby(factor, sort=False):
                both = pd.concat([some["run"].value_counts(), -some["run of base"].value_counts()]) / len(
                    some
                )
                words = {"field": factor, "value": str(value), "against": str(base[factor])}
                yield words | {"of": self.counts}, both.groupby(level=0, sort=False).sum().to_dict()

    def _of_points(self):
        """Yield the words of each effect of `points`, and its difference of runs."""
        rows = self.runs.drop_duplicates("run")
        for row in rows[rows["run"] != rows["base"]].itertuples():
            yield {"base": row.base, "changes": row.changes, "of": row.of}, {row.run: 1, row.base: -1}

    def difference(self, weights, level=LEVEL):
        """Return a weighted sum of runs: dict of difference, low, high, seeds, unused; {} without runs.

        Runs that share a start are paired by seed, see `units`, and all by image.
        """
        found = compared(self.grouped, [(run, weight, _by_image) for run, weight in weights.items()])
        if not found:
            return {}
        ends = dict(zip(("difference", "low", "high"), interval([unit.values for unit in found], level)))
        seeds = as_sum([len(unit.values) for unit in found])
        return ends | {"seeds": seeds, "unused": sum(unit.unused for unit in found)}

    @property
    def counts(self):
        """Return the quantity that is compared, or None of points of both kinds of models."""
        return self.runs["of"].iloc[0] if self.runs["of"].nunique() == 1 else None


def names(suite):
    """Return the studies that a suite has results of."""
    return list(suites.studies(suite))


def load(name, suite=None, frame=None):
    """Return a `Study` with its runs.

    Its points are those of `study.json`, and each other run that changes only fields that the study varies:
    so a value that was taken out of the study's file keeps its place.

    Args:
        name: the study's.
        suite: None is the first of `SUITES` that has it.
        frame: the suite's `runs.table`; None reads it.

    Raises:
        RunError: no suite has it.
    """
    suite = next((one for one in ([suite] if suite else SUITES) if name in names(one)), None)
    if suite is None:
        raise runs.RunError(f"study {name!r} has no results here; make study STUDY={name} makes them")
    about = suites.studies(suite)[name] | {"suite": suite}
    frame = runs.table(suite) if frame is None else frame
    frame = frame[frame["seed"].isin(about["seeds"])]
    points = about["points"] + _other_points(about, frame)
    points = [{_first(key): _shown(value) for key, value in point.items()} for point in points]
    named = {*about["bases"], *about["runs"], *(point["run"] for point in points)}
    frame = frame[frame["model"].isin(named)]
    counted, cut = (frame[(frame["not_counted"] == "") == good] for good in (True, False))
    left_out = {f"{row.model}, seed {row.seed}": row.not_counted for row in cut.itertuples()}
    grouped = runs.records(counted)
    for run in chain(*grouped.values()):
        run["by_image"] = _of_images(run)
    rows = counted[list(COLUMNS)].rename(columns=COLUMNS)
    rows = pd.DataFrame(points).merge(rows.astype(dict.fromkeys(QUANTITIES, float)), on="run")
    rows.insert(len(points[0]), "of", rows.pop("kind").map(COMPARED))
    rows["run"] = rows.pop("run")
    varied = ["base", *map(_first, about["vary"])] if about["vary"] else ["changes"]
    factors = {name: list(dict.fromkeys(point[name] for point in points)) for name in varied}
    factors = {name: values for name, values in factors.items() if len(values) > 1 or name == varied[-1]}
    return Study(about | {"points": points}, factors, _formatted(rows), grouped, left_out)


def table(name, suite=None):
    """Return a study's runs as a `pandas.DataFrame`, a run a row; see `Study`."""
    return load(name, suite).runs.dropna(axis="columns", how="all")


def _other_points(about, frame):
    """Return the points of the runs that change the study's fields and are not in `study.json`."""
    listed, found = {point["run"] for point in about["points"]}, []
    models = {row["model"]: row for row in frame.to_dict("records")} if about["vary"] else {}
    fields = [field for entry in about["vary"] for field in entry.split(", ")]
    for name in models.keys() - listed:
        row, source = models[name], models.get(models[name].get("params.encoder_from"), {})
        if row["base"] in about["bases"] and row["changes"] and {*row["changes"]} <= {*fields}:
            own = {f: (source if "." in f else row).get(f"params.{f.split('.')[-1]}") for f in fields}
            if all(len({own[field] for field in entry.split(", ")}) == 1 for entry in about["vary"]):
                values = {entry: own[_first(entry)] for entry in about["vary"]}
                found.append({"base": row["base"], "run": name} | values)
    return sorted(found, key=lambda point: point["run"])


def _first(entry):
    return entry.split(", ")[0]  # fields that go together are named by the first


def _shown(value):
    return str(value).lower() if value is None or isinstance(value, bool) else value


def _of_images(run):
    if "image_errors" in run:
        return evaluation.unpack(run["image_errors"])
    labels, predictions = (evaluation.unpack_labels(run[name]) for name in ("labels", "predictions"))
    return (labels == predictions).astype(float)


def _by_image(found):
    return np.stack([run["by_image"] for run in found])


def _formatted(frame):
    """Return a table with the way that a page shows its numbers."""
    frame.attrs["format"] = dict.fromkeys(frame.select_dtypes("float"), "{:g}") | {"seconds": "{:.0f}"}
    frame.attrs["format"] |= dict.fromkeys(FOUR, "{:.4f}")
    return frame


def _joint_tests(part, theirs):
    """Return Hotelling's test of the paper's run as one new run of each point of a base.

    A point is consistent if the paper's numbers are in its joint 95 % prediction region. The spread between
    seeds is pooled over the base's points, and the paper's rounding joins it; too few seeds judge nothing.

    Args:
        part: the base's rows of `Study.runs`.
        theirs: dict of "val loss" and so on to the paper's number.

    Returns:
        table: base, run; apart, the largest difference to one of the numbers; and F, p, consistent.
    """
    columns = [name.replace(" ", "_") for name in theirs]
    points = part.groupby(["base", "run"], sort=False)[columns]
    rest, off = (part[columns] - points.transform("mean")).to_numpy(), points.mean() - list(theirs.values())
    found = off.abs().max(axis=1).to_frame("apart")
    size, df = len(columns), len(part) - len(off)
    if df > size:
        scales = (
            np.multiply.outer(1 + 1 / points.size().to_numpy(), rest.T @ rest / df) + np.eye(size) * ROUNDING
        )
        distance = [one @ np.linalg.solve(scale, one) for one, scale in zip(off.to_numpy(), scales)]
        found["F"] = np.array(distance) * (df - size + 1) / (size * df)
        found["p"] = fdtrc(size, df - size + 1, found["F"])
        found["consistent"] = np.where(found["p"] > 1 - LEVEL, "yes", "no")
    return found.reset_index()
