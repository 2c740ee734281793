"""Put runs of other people's folders into one suite. What they send is data, and nothing of it is executed.

Of a run `metrics.json`, `history.csv` and its pictures are taken, read with limits, checked as every run is,
and written anew; no link is followed. HTML, notebooks and weights stay where they are.
"""

import contextlib
import io
import json
import os
import re
import shutil
import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from .. import params, runs
from ..runs import locks, record

LARGEST = {".json": 2**22, ".csv": 2**20, ".png": 2**23}  # bytes; metrics of 10,000 images are 40 KB
PIXELS, PICTURES = 20e6, 12  # of a picture; of a run
DIGITS = 18  # a longer number may become infinite, which `record.verify` refuses
COLUMNS = {"loss", "val_loss", "accuracy", "val_accuracy"}
NOBODY = {"reports", "scratch", "notebooks", "fmnist_keras", params.ROOT.name}  # folders that name no person
NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_-]|(?<=[0-9])[.](?=[0-9])){0,138}", re.ASCII)  # see schema.yaml


def collect(suite, folders, write_page):
    """Put the runs of folders into a suite, each whole or not at all, under the name of its folder.

    Nothing is put in place before all of it is read. A run that was collected before is replaced, no other.

    Args:
        suite: the name of a suite that no file of `params/suites` plans.
        folders: paths: a checkout, its `reports/scratch`, another folder with runs in it, or a run's folder.
        write_page: is called with the metrics of a run, "folder" among them, to write its page.

    Returns:
        How many runs were collected, and a list of sentences: what is left out, and why.

    Raises:
        runs.RunError: the suite's name is not allowed, or no run can be taken.
    """
    params.require(suite=suite)
    if suite == runs.SCRATCH or params.is_planned(suite):
        raise runs.RunError(f"suite: {suite!r} is made here; allowed: a name for what is collected, as class")
    left_out, taken, people = [], {}, {}
    with locks.hidden_folder(runs.suite_dir(suite), "collect") as scratch:
        for folder in dict.fromkeys(Path(os.path.abspath(os.path.expanduser(one))) for one in folders):
            person = name_of(folder)
            if people.setdefault(person, folder) != folder:
                left_out.append(f"{folder}: {people[person]} is called {person!r} too; rename it")
                continue
            for found in find(folder, left_out):
                try:
                    made = take(found, person, suite, scratch, left_out, write_page)
                    taken[made] = runs.suite_dir(suite) / made.relative_to(scratch)
                except runs.RunError as error:
                    left_out.append(f"{found}: {error}")
        for made, final in taken.items():
            final.parent.mkdir(parents=True, exist_ok=True)
            runs.publish(made, final)
    left_out = [re.sub(r"[\x00-\x1f\x7f-\x9f]", "?", reason) for reason in left_out]  # a terminal obeys them
    if not taken:
        raise runs.RunError(f"no run was collected; {'; '.join(left_out[:3])}")
    return len(taken), left_out


def name_of(folder):
    """Return the last part of a path that may name a person, as "Garcia_Ana" of "García, Ana".

    A folder of one's own reports has the name of its suite; without Latin letters, a name is in Punycode.
    """
    parts = folder.parts[1:]
    if folder.is_relative_to(runs.reports_dir()):
        parts = folder.relative_to(runs.reports_dir()).parts[:1]
    elif re.fullmatch(r"seed_\d+", folder.name):
        parts = parts[:-2]
    if "reports" in parts and {"reports", runs.SCRATCH} & {*parts[-2:]}:  # else it is a folder of people
        parts = parts[: -1 - parts[::-1].index("reports")]
    name = next((part for part in reversed(parts) if part not in NOBODY), "scratch")
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore") or name.encode("punycode")
    return re.sub(r"[^A-Za-z0-9]+", "_", plain.decode()).strip("_")[:60] or "folder"


def find(folder, left_out):
    """Yield the runs' folders in a folder; of reports those in `scratch`, or else in suites without a plan.

    So a checkout's own landed runs are not taken for those of the person who sends it.
    """
    found = False
    for here, inside, files in os.walk(folder) if not folder.is_symlink() else ():
        links = [Path(here, name) for name in inside if Path(here, name).is_symlink()]
        inside[:] = sorted(name for name in inside if not name.startswith("."))
        scratch = runs.SCRATCH in inside and not Path(here, runs.SCRATCH).is_symlink()
        if scratch and (Path(here) == folder or Path(here).name == "reports"):
            inside[:] = [runs.SCRATCH]
        elif Path(here).name == "reports":
            inside[:] = [name for name in inside if not params.is_planned(name)]
        if "metrics.json" in files:
            found, inside[:] = True, []
            yield Path(here)
        left_out += [f"{link}: is a link, and none is followed" for link in links]
    if not found:
        link = "is a link, and none is followed" if folder.is_symlink() else ""
        left_out.append(f"{folder}: {link or 'is not a folder with runs, each with a metrics.json'}")


def take(found, person, suite, scratch, left_out, write_page):
    """Write a run anew into a hidden folder, and return its folder there."""
    metrics, history = _metrics(found), _read(found / "history.csv")
    name, origin = f"{person}-{metrics['model']}", {name: metrics[name] for name in ("model", "suite")}
    final = runs.run_dir(suite, name, metrics["seed"])
    made = scratch / name / final.name
    if made.exists():
        raise runs.RunError(f"another {origin['model']}, {final.name}, is in the same folder")
    if final.exists() and "collected" not in (runs.read(final) or {}):
        raise runs.RunError(f"{final} was not collected, and is not replaced")
    metrics |= {"model": name, "suite": suite, "collected": {"from": person, **origin}}
    metrics["params"] |= {"model": name, "suite": suite}
    try:
        (made / "figures").mkdir(parents=True)
        (made / "history.csv").write_bytes(history)
        (made / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
        run = record.verify(made)
        _check_history(history, run)
        _take_pictures(found, made, left_out)
        write_page(run)
    except OSError:  # the disk is full, say: nothing is collected
        raise
    except Exception as error:  # of a reader or a chart, by what is odd in these numbers
        shutil.rmtree(made)
        reason = " ".join(str(error).replace(f"{made}{os.sep}", "").split())
        raise runs.RunError(reason[:300]) from error
    return made


def _read(path):
    """Return the bytes of a file that is neither a link, nor a pipe, nor too large."""
    if path.is_symlink() or not path.is_file():
        raise runs.RunError(f"{path.name} is missing, or is a link, and none is followed")
    if (size := path.stat().st_size) > LARGEST[path.suffix]:
        raise runs.RunError(f"{path.name} has {size:,} bytes; allowed: {LARGEST[path.suffix]:,}")
    try:
        return path.read_bytes()
    except OSError as error:
        raise runs.RunError(f"{path.name} cannot be read: {error.strerror}") from error


def _metrics(found):
    """Return what `metrics.json` has, if it names a run."""
    content = _read(found / "metrics.json")
    try:
        metrics = json.loads(content, parse_int=lambda one: int(one) if len(one) < DIGITS else float(one))
        # A table of runs has columns such as "val.loss", which are not to be had twice.
        metrics = {field: value for field, value in record.upgrade(metrics).items() if "." not in field}
        json.dumps(metrics, ensure_ascii=False).encode()  # half a character is on no page
        model, seed, _ = (metrics[field] for field in ("model", "seed", "suite"))
        if not (NAME.fullmatch(model) and 0 <= seed < 2**32):
            raise ValueError(f"model {params.short(model)}, seed {params.short(seed)}")
    except (ValueError, RecursionError, AttributeError, KeyError, TypeError) as error:
        raise runs.RunError(f"metrics.json is not that of a run: {type(error).__name__}: {error}") from error
    return metrics


def _check_history(content, run):
    """Raise a `ValueError` unless `history.csv` is a table of a run's epochs, and the run restored one."""
    with contextlib.suppress(ValueError, TypeError):
        epochs = pd.read_csv(io.BytesIO(content), index_col="epoch").astype(float)
        whole = list(epochs.index) == list(range(1, max(run["epochs_run"], run["restored_epoch"] or 1) + 1))
        if whole and {"val_loss"} <= {*epochs} <= COLUMNS and np.isfinite(epochs.min()).all():
            return
    allowed = f"numbers of {', '.join(sorted(COLUMNS))} of the epochs in metrics.json"
    raise ValueError(f"history.csv has other columns, epochs or values; allowed: {allowed}")


def _take_pictures(found, made, left_out):
    """Write the pictures of a run anew: pixels and alt text, and nothing else of their files."""
    links = (found / "figures").is_symlink()  # said by `find`
    for number, path in enumerate(() if links else sorted((found / "figures").glob("*.png"))):
        try:
            if number >= PICTURES:
                raise ValueError(f"{PICTURES} pictures are enough")
            (made / "figures" / path.name).write_bytes(anew(_read(path)))
        except Exception as error:  # Pillow's are of many kinds
            left_out.append(f"{path}: {str(error)[:200]}")


def anew(content):
    """Return the bytes of a PNG with the same pixels and description as another's."""
    picture, about, made = Image.open(io.BytesIO(content), formats=["PNG"]), PngInfo(), io.BytesIO()
    if picture.width * picture.height > PIXELS:
        raise ValueError(f"{picture.width} x {picture.height} pixels; allowed: {PIXELS:,.0f} in all")
    picture.load()
    about.add_itxt("Description", str(picture.text.get("Description", "not described"))[:1000])
    picture.info.clear()
    picture.save(made, "PNG", pnginfo=about, optimize=True)
    return made.getvalue()
