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
from pathlib import Path
from statistics import median

import page
import watch
import yaml

from fmnist_keras.workflow import experiments
from fmnist_keras.workflow.execute import KERNEL_ENVIRONMENT

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
COPIED = ("Snakefile", "fmnist_keras", "notebooks", "params", "profiles")
MODELS = tuple(f"model_{number}" for number in range(1, 9))
MEASURED = ("model_1", "model_4", "model_5", "model_8")  # sections 1 and 8
LIKE = {"model_2": "model_1", "model_3": "model_1", "model_6": "model_5", "model_7": "model_5"}
SETTINGS_MODELS = ("model_1", "model_4")  # section 7: a batch of 100 and one of 1,000
ONE_THREAD = ("model_1", "model_5")  # section 9
QUICK = ("model_4", "model_8")
FEWER = 2  # repetitions at most of what takes minutes, or differs little from one to the next
MALLOC = {name: v for name, v in KERNEL_ENVIRONMENT.items() if name.startswith("MALLOC_")}
CORES = len(os.sched_getaffinity(0))
THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class Bench:
    """What all sections share: how often to repeat, how large, and a folder to work in.

    Args:
        options: the command line.
        folder: a scratch folder, which gets a copy of the repository, so that no params file is touched.
    """

    def __init__(self, options, folder):
        self.json, self.repeats, self.quick = options.json, options.repeats, options.quick
        self.torch, self.folder = options.torch.resolve(), folder
        self.models = QUICK if self.quick else MODELS
        self.root = self.copy("copy")
        if self.quick:
            self.write_suite("sample", epochs=2)

    def sections(self):
        """What bench.json has measured."""
        return json.loads(self.json.read_text(encoding="utf-8"))["sections"] if self.json.is_file() else {}

    def copy(self, name):
        """A copy of what the engine needs, as `folder/name`."""
        for part in COPIED:
            source, to = ROOT / part, self.folder / name / part
            to.parent.mkdir(exist_ok=True)
            (shutil.copytree if source.is_dir() else shutil.copy)(source, to)
        return self.folder / name

    def env(self, threads=None, root=None, **more):
        """The environment of a command; `threads` None leaves every framework its default."""
        unset = {*THREADS, *KERNEL_ENVIRONMENT, "REPORTS_DIR", "KERAS_BACKEND"}
        env = {name: value for name, value in os.environ.items() if name not in unset}
        env |= {"PYTHONPATH": str(root or self.root), "TF_CPP_MIN_LOG_LEVEL": "3", **more}
        env["CUDA_VISIBLE_DEVICES"] = "-1"  # everything on the CPU, also where there is a GPU
        return env | ({name: str(threads) for name in THREADS} if threads else {})

    def python(self, *arguments, threads=None, at_once=1, torch=False, **env):
        """Run Python so many times at once, with `env` in its environment: a `watch.Done` for each."""
        env = self.env(threads, **env)
        env["PYTHONPATH"] += f"{os.pathsep}{self.torch}" if torch else ""
        return watch.together([[sys.executable, *map(str, arguments)]] * at_once, env, self.root)

    def engine(self, reports, *config, root=None):
        """Run the engine as the Makefile does; a `watch.Done` with its jobs."""
        root = root or self.root
        command = [sys.executable, "-m", "snakemake", "--cores", "all", "--config", *config]
        (done,) = watch.together([command], self.env(root=root, REPORTS_DIR=str(reports)), root, jobs=True)
        return done

    def suite(self, reports, name):
        """All models of a suite; see `engine`."""
        return self.engine(reports, f"suite={name}", f"models={' '.join(self.models)}")

    def write_suite(self, name, **values):
        """A suite of the bench's own, on the sample if nothing else is said; tiny where all is."""
        values = {"data": "sample", "protocol": "paper"} | values
        values |= {"data": "sample", "limit": 200, "batch_size": 100} if self.quick else {}
        path = self.root / "params" / "suites" / f"{name}.yaml"
        path.write_text(yaml.safe_dump(values), encoding="utf-8")

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
                print(f"  round {number + 1}: {name}, {time.perf_counter() - start:.0f} s", flush=True)
        return found


def throughput(bench):
    """Section 1: training images a second, after the first epoch."""
    images, few = (500, 200) if bench.quick else (5_000, 400)
    models = QUICK if bench.quick else MEASURED
    common = [
        "--suite",
        "sample" if bench.quick else "paper",
        "--val-limit",
        "100",
        "--epochs",
        "2",
        "--limit",
    ]
    project = [HERE / "keras_script.py", *models, *common, images, "--how", "project"]
    at_once = {"threads": 1, "at_once": CORES}

    def way(*command, **how):
        return lambda: watch.rates(bench.python(*command, **how), images)

    ways = {
        "project, one a core": way(*project, **at_once, **MALLOC),
        "keras": way(HERE / "keras_script.py", *models, *common, images),
    }
    for layout in page.FORMATS:
        command = [HERE / "pytorch_script.py", *models, *common, images, "--memory-format", layout]
        ways[f"pytorch {layout}"] = way(*command, torch=True)
        ways[f"pytorch {layout}, one a core"] = way(*command, torch=True, **at_once)
    xla = [HERE / "keras_script.py", "model_1", *common, few, "--xla"]
    aside = {  # nothing is judged by these
        "project, all threads": way(*project, **MALLOC),
        "keras, XLA": lambda: watch.rates(bench.python(*xla), few),
    }
    return {"images": images, "images_xla": few, "rates": bench.rounds(ways) | bench.rounds(aside, 1)}


def suite(bench):
    """Section 2, and 3 for the sample: all eight models of the sample suite, and where the time went."""
    return {"runs": bench.rounds(suite_ways(bench, "sample"), FEWER)}


def paper(bench):
    """Section 3: the same on all 70,000 images, each model stopped after two epochs.

    The scripts train and validate on a fifth of the images: all that their epochs are needed for is a rate.
    """
    epochs, part = 2, 1 if bench.quick else 5
    bench.write_suite("bench", data="sample" if bench.quick else "full", epochs=epochs)
    some = () if bench.quick else ("--limit", 60_000 // part, "--val-limit", 10_000 // part)
    landed = {
        model: (ROOT / "reports" / "paper" / model).glob("seed_*/metrics.json") for model in bench.models
    }
    landed = {
        model: [json.loads(p.read_text(encoding="utf-8")) for p in files] for model, files in landed.items()
    }
    code = "import time, fmnist_keras as fk; start = time.perf_counter(); fk.data.load('full'); "
    (load,) = bench.python("-c", f"{code} print(time.perf_counter() - start)")
    return {
        "epochs": epochs,
        "scripts_part": part,  # of the images: one in so many
        "data": float(load.lines[-1][1]),
        "epochs_paper": {
            model: median(run["epochs_run"] for run in seeds) for model, seeds in landed.items()
        },
        "encoder_from": {model: seeds[0]["params"].get("encoder_from") for model, seeds in landed.items()},
        "runs": bench.rounds(suite_ways(bench, "bench", *some), 1),
    }


def suite_ways(bench, name, *some):
    """How the eight models of a suite are trained: dict of way to a function, for `Bench.rounds`."""
    if "1" not in (sections := bench.sections()):
        raise watch.BenchError("section 1 has to be measured first: it finds PyTorch's better memory format")
    formats, reports = sections["1"]["rates"], bench.folder / name

    def better(model):  # memory format, of the model or of its kin
        like = LIKE.get(model, model)
        return max(page.FORMATS, key=lambda f: median(r[like] for r in formats[f"pytorch {f}"]))

    def scripts(framework):  # one after another, each with all threads, each a command of its own
        models = {}
        with tempfile.TemporaryDirectory(dir=bench.folder) as encoders:
            for model in bench.models:
                layout = ["--memory-format", better(model)] if framework == "pytorch" else []
                options = [model, "--suite", name, "--encoders", encoders, *some, *layout]
                (done,) = bench.python(HERE / f"{framework}_script.py", *options, torch=bool(layout))
                models[model] = {"seconds": done.seconds, "epoch": watch.epoch_seconds(done.lines).get(model)}
        return {"seconds": sum(model["seconds"] for model in models.values()), "models": models}

    def project():
        shutil.rmtree(reports, ignore_errors=True)
        return engine_result(bench.suite(reports, name), reports / name)

    return {"pytorch": lambda: scripts("pytorch"), "keras": lambda: scripts("keras"), "project": project}


def engine_result(done, folder):
    """What the page needs of a call of the engine."""
    each, runs = watch.epoch_seconds(done.lines), {}
    for name, job in done.jobs.items():
        model = name.split("/")[0]
        runs[model] = {"seconds": job.ended - job.began, "epoch": each.get(model)}
        runs[model] |= {"memory": sum(job.peaks.values()), "parts": watch.parts(folder / name, job)}
    last = max(job.ended for job in done.jobs.values()) - min(job.began for job in done.jobs.values())
    return {"seconds": done.seconds, "around": done.seconds - last, "models": runs}


def floor(bench):
    """Section 4: operations a step needs, and how many this machine can do in a second."""
    import keras_script
    from floor import operations

    def rate(threads):
        (done,) = bench.python(HERE / "floor.py", threads=threads)
        return json.loads(done.lines[-1][1])

    found, models = (
        bench.rounds({"one thread": lambda: rate(1), "all threads": lambda: rate(CORES)}, FEWER),
        {},
    )
    for model in bench.models:
        params = experiments.resolve(model, "paper", 0)
        by = operations(keras_script.build(params))
        forward = sum(count for (_, way), count in by.items() if way == "forward")
        models[model] = {"batch_size": params.batch_size, "forward": forward, "step": sum(by.values())}
    return {"rates": found, "models": models}


def growth(bench):
    """Section 5: how the wall time of a run, and of the engine, grows; the memory of a run."""
    root = bench.copy("growth")
    images = (100, 200) if bench.quick else (5_000, 20_000, 40_000, 60_000)
    epochs = (1, 2) if bench.quick else (1, 4, 8)
    counts = (1, 2) if bench.quick else (1, 2, 4)
    base = yaml.safe_load((root / "params" / "model_1.yaml").read_text(encoding="utf-8"))
    base |= {"data": "sample" if bench.quick else "full", "epochs": 1, "limit": images[0]}
    shutil.rmtree(root / "params")

    def write(name, **values):
        path = root / "params" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(values), encoding="utf-8")

    def model(name, **changes):
        write(f"model_{name}", **base | changes | {"model": f"model_{name}"})
        return f"model_{name}"

    write("suites/growth", protocol="paper")
    larger = {n: model(f"{n}_images", limit=n) for n in images}
    longer = {n: model(f"{n}_epochs", epochs=n) for n in epochs}
    tiny = [model(f"tiny_{n}", data="sample", limit=64) for n in range(max(counts))]

    def engine(models, seeds=1):
        with tempfile.TemporaryDirectory(dir=bench.folder) as reports:
            config = (f"models={' '.join(models)}", f"seeds={' '.join(map(str, range(seeds)))}")
            done = bench.engine(reports, "suite=growth", *config, root=root)
            return engine_result(done, Path(reports) / "growth") if seeds == 1 else {"seconds": done.seconds}

    def runs():
        made = engine([*larger.values(), *longer.values()])["models"]
        return {
            "images": {n: made[name] for n, name in larger.items()},
            "epochs": {n: made[name] for n, name in longer.items()},
        }

    once = {f"models {n}": lambda n=n: engine(tiny[:n])["seconds"] for n in counts}
    once |= {f"seeds {n}": lambda n=n: engine(tiny[:1], n)["seconds"] for n in counts[1:]}
    return bench.rounds({"runs": runs} | once, 1)


def second_call(bench):
    """Section 6: the engine's second call, with nothing to do, after a touch, and after an edit."""
    reports = bench.folder / "sample"
    path = bench.root / "params" / "model_8.yaml"
    bench.suite(reports, "sample")  # section 2 may have left everything up to date
    text, edits = path.read_text(encoding="utf-8"), iter(range(1, 1000))

    def call(expected):
        done = bench.suite(reports, "sample")
        if set(done.jobs) != expected:
            raise watch.BenchError(f"the second call trained {sorted(done.jobs)}, not {sorted(expected)}")
        return done.seconds

    def touched():
        path.touch()
        return call(set())

    def edited():
        changed = text.replace("learning_rate: 0.001", f"learning_rate: 0.001{next(edits)}")
        path.write_text(changed, encoding="utf-8")
        return call({"model_8/seed_0"})

    return bench.rounds({"nothing": lambda: call(set()), "touched": touched, "edited": edited}, FEWER)


def settings(bench):
    """Section 7: settings that make training faster, each taken back, against all of them."""
    images = 500 if bench.quick else 6_000
    command = [HERE / "keras_script.py", *(QUICK if bench.quick else SETTINGS_MODELS), "--how", "project"]
    command += ["--suite", "sample", "--val-limit", "100", "--epochs", "2", "--limit", images]

    def way(*options, kept=MALLOC, **env):
        how = {"threads": 1, "at_once": CORES, **kept, **env}
        return lambda: watch.rates(bench.python(*command, *options, **how), images)

    ways = {
        "as the project trains": way(),
        "Keras' own Dropout": way("--keras-layers"),
        "one step at a time (`steps_per_execution`), Keras' default": way("--steps", "1"),
        "malloc gives back what is freed, its default": way(kept={}),
        "the pipeline of batches tunes itself, its default": way("--autotune"),
        "TensorFlow without oneDNN, its default here": way(TF_ENABLE_ONEDNN_OPTS="0"),
    }
    return {"images": images, "rates": bench.rounds(ways, FEWER)}


def step(bench):
    """Section 8: what a training step is made of, by TensorFlow's profiler; a process a core at once."""
    models, images = (QUICK, 1_000) if bench.quick else (MEASURED, 6_000)
    command = [HERE / "profile_step.py", *models, "--images", images, "--json"]

    def profiles():
        return [json.loads(done.lines[-1][1]) for done in bench.python(*command, threads=1, at_once=CORES)]

    return {"runs": sum(bench.rounds({"profile": profiles}, FEWER)["profile"], [])}


def one_thread(bench):
    """Section 9: seconds of ten epochs' `fit` on one thread, plain Keras' and the notebooks', in turn."""
    name, epochs = "one_thread", 2 if bench.quick else 10
    bench.write_suite(name, epochs=epochs, patience=epochs, batch_size=100)
    reports = bench.folder / name

    def plain(model):
        (done,) = bench.python(HERE / "keras_script.py", model, "--suite", name, threads=1)
        return next(float(text.split()[2]) for _, text in done.lines if text.startswith(f"{model} fit "))

    def notebook(model):
        command = ["-m", "fmnist_keras", "run", model, "--suite", name]
        bench.python(*command, threads=1, REPORTS_DIR=str(reports))
        metrics = (reports / name / model / "seed_0" / "metrics.json").read_text(encoding="utf-8")
        return json.loads(metrics)["seconds"]["fit"]

    ways = {  # the classifier's notebook finds the encoder that the autoencoder's has left
        f"{model} {how.__name__}": lambda how=how, model=model: how(model)
        for model in (QUICK if bench.quick else ONE_THREAD)
        for how in (plain, notebook)
    }
    return {"epochs": epochs, "seconds": bench.rounds(ways, FEWER)}


SECTIONS = dict(
    zip("123456789", (throughput, suite, paper, floor, growth, second_call, settings, step, one_thread))
)


def main():
    """Measure the sections asked for, then write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--sections", nargs="*", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--repeats", type=int, default=3, help="of each measurement (default: 3)")
    parser.add_argument("--quick", action="store_true", help="tiny, to try the bench")
    parser.add_argument("--torch", type=Path, default=ROOT / ".venv" / "torch", help="folder of PyTorch")
    parser.add_argument("--json", type=Path, default=ROOT / "reports" / "bench.json")
    options = parser.parse_args()
    sys.path.append(str(options.torch))  # for its version alone
    names = ("keras", "tensorflow", "torch", "numpy", "snakemake", "papermill")
    where = watch.machine(os.getloadavg()[0], *names)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        bench = Bench(options, Path(folder))
        for name in options.sections:
            print(f"section {name}: {SECTIONS[name].__name__}", flush=True)
            start = time.perf_counter()
            found = SECTIONS[name](bench)
            about = {"date": time.strftime("%Y-%m-%d %H:%M"), "machine": where, "quick": bench.quick}
            about |= {"took": round(time.perf_counter() - start), "repeats": bench.repeats}
            results = {"sections": bench.sections() | {name: about | found}}
            options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    page.write(options.json)


if __name__ == "__main__":
    try:
        main()
    except watch.BenchError as error:
        sys.exit(f"error: {error}")
