"""Measure the project against plain Keras and PyTorch on this machine: reports/bench.json and bench.md.

Nine sections, in the order of the page. As soon as one is measured, it goes into bench.json with every
repetition, the machine, the date and the versions. Sections that are not asked for stay as they are, so that
a bench that was cut off goes on with `--sections`. page.py makes the page from bench.json alone.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import page
import watch
import yaml

from fmnist_keras.workflow import experiments
from fmnist_keras.workflow.execute import KERNEL_ENVIRONMENT

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
COPIED = ("Snakefile", "fmnist_keras", "notebooks", "params", "profiles")
MODELS = tuple(f"model_{number}" for number in range(1, 9))
MEASURED = ("model_1", "model_4", "model_5", "model_8")  # section 1
QUICK = ("model_4", "model_8")
TRIED = ("model_1", "model_4")  # section 7: a batch of 100 and one of 1,000
ONE_THREAD = ("model_1", "model_5")  # section 9
FEWER = 2  # repetitions at most of what takes minutes, or differs little from one to the next
MALLOC = {
    name: v for name, v in KERNEL_ENVIRONMENT.items() if name.startswith("MALLOC_")
}  # as kernels have it
CORES = len(os.sched_getaffinity(0))
THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class Bench:
    """What all sections share: how often to repeat, how large, and a folder to work in.

    Attributes:
        repeats: measurements of each thing; the page shows medians.
        quick: everything tiny, to see that the bench itself works; its numbers mean nothing.
        folder: a scratch folder with a copy of the repository, so that no params file of it is touched.
        torch: the folder where PyTorch is installed.
        models: the paper's eight, or two of them.
    """

    def __init__(self, repeats, quick, folder, torch):
        self.repeats, self.quick, self.folder, self.torch = repeats, quick, folder, torch
        self.models = QUICK if quick else MODELS
        self.root = self.copy("copy")
        if quick:
            self.write_suite("sample", epochs=2)

    def copy(self, name):
        """A copy of what the engine needs, as `folder/name`."""
        root = self.folder / name
        root.mkdir()
        for part in COPIED:
            source = ROOT / part
            ignored = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
            if source.is_dir():
                shutil.copytree(source, root / part, ignore=ignored)
            else:
                shutil.copy(source, root / part)
        return root

    def env(self, threads=None, root=None, **more):
        """The environment of a command; `threads` None leaves every framework its default."""
        unset = {*THREADS, *KERNEL_ENVIRONMENT, "REPORTS_DIR", "KERAS_BACKEND"}
        env = {name: value for name, value in os.environ.items() if name not in unset}
        env |= {"PYTHONPATH": str(root or self.root), "TF_CPP_MIN_LOG_LEVEL": "3", **more}
        env["CUDA_VISIBLE_DEVICES"] = "-1"  # everything on the CPU, also where there is a GPU
        return env | ({name: str(threads) for name in THREADS} if threads else {})

    def engine(self, reports, *config, root=None):
        """Run the engine as the Makefile does; a `watch.Done` with its jobs."""
        root = root or self.root
        command = [sys.executable, "-m", "snakemake", "--cores", "all", "--config", *config]
        return watch.alone(command, self.env(root=root, REPORTS_DIR=str(reports)), root, jobs=True)

    def suite(self, reports, name):
        """All models of a suite; see `engine`."""
        return self.engine(reports, f"suite={name}", f"models={' '.join(self.models)}")

    def write_suite(self, name, **values):
        """A suite of the bench's own, on the sample if nothing else is said; tiny where all is."""
        values = {"data": "sample", "protocol": "paper"} | values
        values |= {"data": "sample", "limit": 200, "batch_size": 100} if self.quick else {}
        (self.root / "params" / "suites" / f"{name}.yaml").write_text(yaml.safe_dump(values))

    def keras(self, models, *options):
        """The command of keras_script.py."""
        return [sys.executable, str(HERE / "keras_script.py"), *models, *options]

    def pytorch(self, models, layout, *options):
        """The command of pytorch_script.py."""
        script = [sys.executable, str(HERE / "pytorch_script.py"), *models]
        return [*script, "--memory-format", layout, *options]

    def scripts(self, commands, threads=None, torch=False, **more):
        """Run scripts at once, with `more` in their environment; see `watch.together`."""
        path = os.pathsep.join([str(self.root), str(self.torch)] if torch else [str(self.root)])
        return watch.together(commands, self.env(threads, **more) | {"PYTHONPATH": path}, self.root)

    def rounds(self, ways, at_most=None):
        """Measure each way in turn, then each again: what drifts on the machine hits all of them.

        Args:
            ways: dict of a name to a function without arguments.
            at_most: repetitions, where the bench's own are more.

        Returns:
            dict of the name to the list of what the function returned.
        """
        found = {name: [] for name in ways}
        for number in range(min(self.repeats, at_most or self.repeats)):
            for name, way in ways.items():
                start = time.perf_counter()
                found[name].append(way())
                say(f"  round {number + 1}: {name}, {time.perf_counter() - start:.0f} s")
        return found


def say(text):
    """A line of progress."""
    print(text, flush=True)


def throughput(bench):
    """Section 1: training images a second, after the first epoch."""
    images = 500 if bench.quick else 5_000
    models = QUICK if bench.quick else MEASURED
    common = ["--suite", "sample" if bench.quick else "paper", "--val-limit", "100", "--epochs", "2"]
    some = [*common, "--limit", str(images)]
    few = [*common, "--limit", "200" if bench.quick else "400"]

    def way(command, at_once=1, threads=None, n=images, torch=False, **env):
        done = bench.scripts([command] * at_once, threads, torch, **env)
        for one in done:
            same_parameters(one.lines, counts)
        rates = [{m: n / s for m, s in watch.epoch_seconds(one.lines).items()} for one in done]
        return {model: sum(rate[model] for rate in rates) for model in rates[0]}

    counts = {}
    project = bench.keras(models, *some, "--how", "project")
    ways = {
        "project, one a core": lambda: way(project, CORES, 1, **MALLOC),
        "keras": lambda: way(bench.keras(models, *some)),
    }
    for layout in page.FORMATS:
        command = bench.pytorch(models, layout, *some)
        ways[f"pytorch {layout}"] = lambda c=command: way(c, torch=True)
        ways[f"pytorch {layout}, one a core"] = lambda c=command: way(c, CORES, 1, torch=True)
    aside = {  # nothing is judged by these
        "project, all threads": lambda: way(project, **MALLOC),
        "keras, XLA": lambda: way(bench.keras(["model_1"], *few, "--xla"), n=int(few[-1])),
    }
    rates = bench.rounds(ways) | bench.rounds(aside, 1)
    return {"images": images, "images_xla": int(few[-1]), "rates": rates, "parameters": counts}


def same_parameters(lines, counts):
    """Check that Keras' and PyTorch's models have as many parameters as each other."""
    for _, text in lines:
        if " parameters " in text:
            model, _, count = text.split()
            if counts.setdefault(model, int(count)) != int(count):
                raise watch.BenchError(f"{model} has {counts[model]} parameters in Keras, {count} in PyTorch")


def tried(bench):
    """Section 7: settings that make training faster, each taken back, against all of them."""
    images = 500 if bench.quick else 6_000
    some = ["--suite", "sample", "--val-limit", "100", "--epochs", "2", "--limit", str(images)]
    command = bench.keras(QUICK if bench.quick else TRIED, *some, "--how", "project")

    def way(*options, malloc=MALLOC, **env):
        done = bench.scripts([[*command, *options]] * CORES, 1, **malloc, **env)
        rates = [{m: images / s for m, s in watch.epoch_seconds(one.lines).items()} for one in done]
        return {model: sum(rate[model] for rate in rates) for model in rates[0]}

    ways = {
        "as the project trains": way,
        "Keras' own Dropout": lambda: way("--keras-layers"),
        "one step at a time (`steps_per_execution`), Keras' default": lambda: way("--steps", "1"),
        "malloc gives back what is freed, its default": lambda: way(malloc={}),
        "the pipeline of batches tunes itself, its default": lambda: way("--autotune"),
        "TensorFlow without oneDNN, its default here": lambda: way(TF_ENABLE_ONEDNN_OPTS="0"),
    }
    return {"images": images, "rates": bench.rounds(ways, FEWER)}


def suite(bench):
    """Section 2, and 3 for the sample: all eight models of the sample suite, and where the time went."""
    formats = best_formats(bench)
    reports = bench.folder / "sample"

    def project():
        shutil.rmtree(reports, ignore_errors=True)
        return engine_result(bench.suite(reports, "sample"), reports / "sample")

    ways = {
        "pytorch": lambda: one_after_another(bench, "pytorch", "sample", formats),
        "keras": lambda: one_after_another(bench, "keras", "sample", formats),
        "project": project,
    }
    return {"formats": formats, "runs": bench.rounds(ways, FEWER)}


def paper(bench):
    """Section 3: the same on all 70,000 images, each model stopped after two epochs.

    The scripts train and validate on a fifth of the images: all that their epochs are needed for is a rate.
    """
    formats = best_formats(bench)
    name, epochs, part = "bench", 2, 1 if bench.quick else 5
    bench.write_suite(name, data="full", epochs=epochs)
    some = () if bench.quick else ("--limit", str(60_000 // part), "--val-limit", str(10_000 // part))
    reports = bench.folder / "paper"

    def project():
        shutil.rmtree(reports, ignore_errors=True)
        return engine_result(bench.suite(reports, name), reports / name)

    ways = {
        "pytorch": lambda: one_after_another(bench, "pytorch", name, formats, *some),
        "keras": lambda: one_after_another(bench, "keras", name, formats, *some),
        "project": project,
    }
    landed = {model: ROOT / "reports" / "paper" / model / "seed_0" / "metrics.json" for model in bench.models}
    landed = {model: json.loads(path.read_text()) for model, path in landed.items()}
    return {
        "epochs": epochs,
        "scripts_part": part,  # of the images: one in so many
        "epochs_paper": {model: metrics["epochs_run"] for model, metrics in landed.items()},
        "encoder_from": {model: metrics["params"].get("encoder_from") for model, metrics in landed.items()},
        "runs": bench.rounds(ways, 1),
    }


def best_formats(bench):
    """The memory format that was the faster in section 1, for each model; its kin for the others."""
    sections = read()["sections"]
    if "1" not in sections:
        raise watch.BenchError("section 1 has to be measured first: it finds PyTorch's better memory format")
    kin = {"model_2": "model_1", "model_3": "model_1", "model_6": "model_5", "model_7": "model_5"}
    found = {}
    for model in bench.models:
        like = kin.get(model, model)
        rates = {f: [r[like] for r in sections["1"]["rates"][f"pytorch {f}"]] for f in page.FORMATS}
        found[model] = max(page.FORMATS, key=lambda layout: page.median(rates[layout]))
    return found


def one_after_another(bench, framework, name, formats, *some):
    """The eight scripts, each with all threads, each a command of its own."""
    models = {}
    with tempfile.TemporaryDirectory(dir=bench.folder) as encoders:
        options = ["--suite", name, "--encoders", encoders, *some]
        for model in bench.models:
            if framework == "keras":
                command = bench.keras([model], *options)
            else:
                command = bench.pytorch([model], formats[model], *options)
            (done,) = bench.scripts([command], torch=framework == "pytorch")
            models[model] = {"seconds": done.seconds, "epoch": watch.epoch_seconds(done.lines).get(model)}
    return {"seconds": sum(model["seconds"] for model in models.values()), "models": models}


def engine_result(done, folder):
    """What the page needs of a call of the engine."""
    each = watch.epoch_seconds(done.lines)
    runs = {}
    for name, job in done.jobs.items():
        model = name.split("/")[0]
        runs[model] = {
            "seconds": job.ended - job.began,
            "epoch": each.get(model),
            "memory": job.memory,
            "parts": watch.parts(folder / name, job),
        }
    last = max(job.ended for job in done.jobs.values()) - min(job.began for job in done.jobs.values())
    return {"seconds": done.seconds, "around": done.seconds - last, "models": runs}


def floor(bench):
    """Section 4: operations a step needs, and how many this machine can do in a second."""

    def rate(threads):
        done = watch.alone([sys.executable, str(HERE / "floor.py")], bench.env(threads), bench.root)
        words = [text.split() for _, text in done.lines if text.startswith(("numpy ", "tensorflow "))]
        return {name: float(value) for name, value in words}

    rates = bench.rounds({"one thread": lambda: rate(1), "all threads": lambda: rate(CORES)}, FEWER)
    return {"rates": rates, "models": operations(bench.models)}


def operations(models):
    """Dict of model to its batch size and its operations an image; see floor.py."""
    sys.path.insert(0, str(ROOT))
    import keras_script
    from floor import operations as count

    found = {}
    for model in models:
        _, params = experiments.for_run(model, "paper", 0)
        by = count(keras_script.build(params, None))
        forward = sum(n for (_, way), n in by.items() if way == "forward")
        found[model] = {"batch_size": params["batch_size"], "forward": forward, "step": sum(by.values())}
    return found


def growth(bench):
    """Section 5: how the wall time of a run, and of the engine, grows; the memory of a run."""
    root = bench.copy("growth")
    images = (100, 200) if bench.quick else (5_000, 20_000, 40_000, 60_000)
    epochs = (1, 2) if bench.quick else (1, 4, 8)
    counts = (1, 2) if bench.quick else (1, 2, 4)
    base = yaml.safe_load((root / "params" / "model_1.yaml").read_text())
    base |= {"data": "sample" if bench.quick else "full", "epochs": 1, "limit": images[0]}
    shutil.rmtree(root / "params" / "ablations")
    for path in (root / "params").glob("model_*.yaml"):
        path.unlink()
    (root / "params" / "suites" / "growth.yaml").write_text("protocol: paper\n")

    def model(name, **changes):
        values = base | changes | {"model": f"model_{name}"}
        (root / "params" / f"model_{name}.yaml").write_text(yaml.safe_dump(values))
        return f"model_{name}"

    larger = {n: model(f"{n}_images", limit=n) for n in images}
    longer = {n: model(f"{n}_epochs", epochs=n) for n in epochs}
    tiny = [model(f"tiny_{n}", data="sample", limit=64) for n in range(max(counts))]

    def engine(models, seeds=1):
        with tempfile.TemporaryDirectory(dir=bench.folder) as reports:
            config = (f"models={' '.join(models)}", f"seeds={' '.join(map(str, range(seeds)))}")
            done = bench.engine(reports, "suite=growth", *config, root=root)
            if seeds > 1 or models[0] in tiny:
                return done.seconds
            return engine_result(done, Path(reports) / "growth")["models"]

    def runs():
        made = engine([*larger.values(), *longer.values()])
        for run in made.values():
            run["fit"] = run.pop("parts")["fit"]
        return {
            "images": {n: made[name] for n, name in larger.items()},
            "epochs": {n: made[name] for n, name in longer.items()},
        }

    once = {f"models {n}": lambda n=n: engine(tiny[:n]) for n in counts}
    once |= {f"seeds {n}": lambda n=n: engine(tiny[:1], n) for n in counts[1:]}
    return bench.rounds({"runs": runs} | once, 1)


def again(bench):
    """Section 6: the engine's second call, with nothing to do, after a touch, and after an edit."""
    reports = bench.folder / "sample"
    path = bench.root / "params" / "model_8.yaml"
    bench.suite(reports, "sample")  # section 2 may have left everything up to date
    text, edits = path.read_text(), iter(range(1, 1000))

    def call(expected):
        before = written(reports)
        done = bench.suite(reports, "sample")
        after = written(reports)
        trained = sorted(run for run in after if after[run] != before.get(run))
        if trained != expected:
            raise watch.BenchError(f"the second call trained {trained}, not {expected}")
        return done.seconds

    def touched():
        path.touch()
        return call([])

    def edited():
        path.write_text(text.replace("learning_rate: 0.001", f"learning_rate: 0.001{next(edits)}"))
        return call(["model_8/seed_0"])

    return bench.rounds({"nothing": lambda: call([]), "touched": touched, "edited": edited}, FEWER)


def written(reports):
    """Dict of run to when its metrics were written."""
    found = (reports / "sample").glob("*/seed_*/metrics.json")
    return {f"{path.parts[-3]}/{path.parts[-2]}": path.stat().st_mtime_ns for path in found}


def step(bench):
    """Section 8: what a training step is made of, by TensorFlow's profiler; a process a core at once."""
    models, images = (QUICK, 1_000) if bench.quick else (MEASURED, 6_000)
    command = [sys.executable, str(HERE / "profile_step.py"), *models, "--images", str(images), "--json"]

    def profiles():
        return [json.loads(done.lines[-1][1]) for done in bench.scripts([command] * CORES, 1)]

    return {"runs": sum(bench.rounds({"profile": profiles}, FEWER)["profile"], [])}


def one_thread(bench):
    """Section 9: seconds of ten epochs' `fit` on one thread, plain Keras' and the notebooks', in turn."""
    name, epochs = "one_thread", 2 if bench.quick else 10
    bench.write_suite(name, epochs=epochs, patience=epochs, batch_size=100)
    reports = bench.folder / name

    def plain(model):
        (done,) = bench.scripts([bench.keras([model], "--suite", name)], 1)
        return next(float(text.split()[2]) for _, text in done.lines if text.startswith(f"{model} fit "))

    def notebook(model):
        command = [sys.executable, "-m", "fmnist_keras", "run", model, "--suite", name]
        watch.alone(command, bench.env(1, REPORTS_DIR=str(reports)), bench.root)
        return json.loads((reports / name / model / "seed_0" / "metrics.json").read_text())["seconds"]["fit"]

    ways = {  # the classifier's notebook finds the encoder that the autoencoder's has left
        f"{model} {how.__name__}": lambda how=how, model=model: how(model)
        for model in (QUICK if bench.quick else ONE_THREAD)
        for how in (plain, notebook)
    }
    return {"epochs": epochs, "seconds": bench.rounds(ways, FEWER)}


SECTIONS = dict(zip("1234567", (throughput, suite, paper, floor, growth, again, tried)))
SECTIONS |= {"8": step, "9": one_thread}


def machine(torch, load):
    """Where and with what a section was measured; `load` is the machine's before the bench began."""
    cpu = Path("/proc/cpuinfo").read_text().splitlines()
    found = {"cpu": next(line.split(":", 1)[1].strip() for line in cpu if line.startswith("model name"))}
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    found |= {"cores": CORES, "memory_gb": round(memory), "load_before": round(load, 2)}
    found |= {"python": sys.version.split()[0]}
    sys.path.append(str(torch))  # for its version alone
    for name in ("keras", "tensorflow", "torch", "numpy", "snakemake", "papermill"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            raise watch.BenchError(
                f"{name} is not installed; `make bench` installs what is missing"
            ) from None
    return found


def read():
    """bench.json, or an empty one."""
    return json.loads(given.json.read_text()) if given.json.is_file() else {"sections": {}}


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--sections", nargs="*", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--repeats", type=int, default=3, help="of each measurement (default: 3)")
    parser.add_argument("--quick", action="store_true", help="tiny, to try the bench")
    parser.add_argument("--torch", type=Path, default=ROOT / ".venv" / "torch", help="folder of PyTorch")
    parser.add_argument("--json", type=Path, default=ROOT / "reports" / "bench.json")
    return parser.parse_args()


def main():
    """Measure the sections asked for, then write the page."""
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        bench = Bench(given.repeats, given.quick, Path(folder), given.torch.resolve())
        for name in given.sections:
            say(f"section {name}: {SECTIONS[name].__doc__.splitlines()[0].split(': ', 1)[1]}")
            where, start = machine(bench.torch, load), time.perf_counter()
            found = SECTIONS[name](bench)
            about = {"date": time.strftime("%Y-%m-%d %H:%M"), "machine": where, "quick": given.quick}
            about |= {"took": round(time.perf_counter() - start), "repeats": given.repeats}
            results = read()
            results["sections"][name] = about | found
            given.json.write_text(json.dumps(results, indent=1) + "\n")
    given.json.with_suffix(".md").write_text(page.markdown(read()))
    say(f"{given.json.with_suffix('.md')}")


if __name__ == "__main__":
    given = arguments()
    try:
        main()
    except watch.BenchError as error:
        sys.exit(f"error: {error}")
