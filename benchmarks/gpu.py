"""Measure training on a GPU, this project on JAX against PyTorch: section gpu of reports/bench.json.

`python benchmarks/gpu.py --json FILE` runs where the GPU is and needs no TensorFlow there: JAX and PyTorch
for CUDA, Keras, fastjsonschema and PyYAML. `python benchmarks/gpu.py --merge FILE` then puts its figures into
reports/bench.json and makes bench.md again, on any machine. `KERAS_BACKEND` names another backend than JAX.

Each framework has a process of its own, which goes through its ways of training again and again. The data is
the embedded sample ten times over: as many images as the paper's, so that an epoch is as long.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median

import numpy as np

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT))
MODELS = ("model_1", "model_4", "model_5", "model_8")
IMAGES = 60_000  # as many as the paper trains on: the sample's 6,000, ten times over
VALIDATION = 1000  # images: one batch of the evaluation
PYTORCH = {  # way of training: memory format, and torch.compile's mode, None for eager
    "pytorch contiguous": ("contiguous", None),
    "pytorch channels_last": ("channels_last", None),
    "pytorch compiled": ("contiguous", "default"),
    "pytorch compiled, CUDA graphs": ("contiguous", "reduce-overhead"),
}
KERAS = ("project", "project, batches sent", "keras")
PARTS = ("keras", "pytorch")


def dataset(kind, images):
    """Training images `(n, 28, 28)` uint8 and their targets; validation images as float32, and theirs."""
    from fmnist_keras import data

    sample = data.load("sample")
    x_train, y_train = np.resize(sample.x_train, (images, 28, 28)), np.resize(sample.y_train, images)
    x_val, y_val = data.to_float(sample.x_val[:VALIDATION]), sample.y_val[:VALIDATION]
    return (x_train, x_train, x_val, x_val) if kind == "autoencoder" else (x_train, y_train, x_val, y_val)


def parameters(name, epochs):
    """Kind and parameters of a paper run, with so many epochs."""
    from fmnist_keras.workflow import experiments

    kind, params = experiments.for_run(name, "paper", 0)
    return kind, params | {"epochs": epochs}


def keras_ways(given):
    """Each model and way of Keras: a function that trains for some epochs; see `rounds`."""
    import keras_script
    from keras_script import fk, keras

    from fmnist_keras.internals import batches as of_arrays

    class Clock(keras.callbacks.Callback):
        """The time of each epoch, with all that the callbacks before it do."""

        def on_train_begin(self, logs=None):
            self.epochs, self.start = [], time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            now = time.perf_counter()
            self.epochs.append((now - self.start, logs["val_loss"]))
            self.start = now

    class Sent(of_arrays._Batches):
        """Batches that are made in NumPy and sent to the GPU one by one, also under JAX."""

        def __init__(self, images, targets, batch_size, shuffle=False):
            super().__init__(images, targets, batch_size, shuffle)
            self.parts, self.pick = of_arrays._parts(images, targets), of_arrays._pick

    clock, callbacks, batches = Clock(), fk.training.callbacks, fk.training.batches
    fk.training.callbacks = lambda params: [*callbacks(params), clock]

    def made(name, way):
        kind, params = parameters(name, given.epochs)
        fk.training.seed_everything(0)
        model = keras_script.build(params, None)
        x_train, y_train, x_val, y_val = dataset(kind, given.images)
        if way == "keras":
            x_train = fk.data.to_float(x_train)
            y_train = x_train if kind == "autoencoder" else y_train
            keras_script.compile_plain(model, params, "auto")
            fit = keras_script.fit_plain
            more = (clock,)
        else:
            keras_script.compile_as_notebook(model, params)
            fit, more = fk.training.fit, ()

        def train():
            fk.training.batches = Sent if way == "project, batches sent" else batches
            fit(model, x_train, y_train, (x_val, y_val), params, *more)
            return clock.epochs

        return train

    return {(name, way): made(name, way) for name in MODELS for way in KERAS}


def pytorch_ways(given):
    """The same for PyTorch: the data lies on the GPU, as in the project."""
    import pytorch_script
    import torch

    torch._dynamo.config.recompile_limit = 64  # all models here are the same class: each is compiled anew

    def made(name, way):
        layout, mode = PYTORCH[way]
        layout = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}[layout]
        kind, params = parameters(name, given.epochs)
        torch.manual_seed(0)
        x_train, y_train, x_val, y_val = dataset(kind, given.images)
        train, val = (
            pytorch_script.tensors(images, targets, kind, layout, given.device)
            for images, targets in ((x_train, y_train), (x_val, y_val))
        )
        model = pytorch_script.build(name, params, None).to(given.device, memory_format=layout)
        model = torch.compile(model, mode=mode, dynamic=False) if mode else model
        loss = pytorch_script.loss_function(kind)
        return lambda: pytorch_script.fit(model, train, val, params, loss)

    return {(name, way): made(name, way) for name in MODELS for way in PYTORCH}


def rounds(ways, given, save):
    """Go through all ways again and again; what each epoch took and came to.

    Args:
        ways: dict of (model, way) to a function that trains on for some epochs and returns for each its
            seconds and validation loss.
        given: the command line.
        save: called with what there is after each round.
    """
    images = given.images
    found = {}
    for number in range(given.repeats):
        for (name, way), train in ways.items():
            epochs = train()
            later = median(seconds for seconds, _ in epochs[1:])
            entry = found.setdefault(way, {}).setdefault(name, {"rates": [], "val_loss": []})
            entry.setdefault("first_epoch", epochs[0][0])
            entry["rates"].append(images / later)
            entry["val_loss"] += [float(loss) for _, loss in epochs]
            say(f"round {number + 1}  {way}, {name}: {images / later:,.0f} images a second")
        save(found)


def precision(part):
    """Relative error of a matrix product and of a convolution in float32: below 1e-6, or 3e-4 with TF32.

    For PyTorch, TF32 is first allowed in matrix products too, as JAX has it by default.
    """
    generator = np.random.default_rng(0)
    a, b = generator.normal(size=(2, 1024, 1024)).astype("float32")
    images = generator.normal(size=(32, 13, 13, 64)).astype("float32")
    kernel = generator.normal(size=(3, 3, 64, 64)).astype("float32")
    windows = np.lib.stride_tricks.sliding_window_view(images, (3, 3), (1, 2)).astype("float64")
    exact = a.astype("float64") @ b, np.einsum("nijcxy,xyco->nijo", windows, kernel, optimize=True)
    if part == "keras":
        import keras

        made = keras.ops.matmul(a, b), keras.ops.conv(images, kernel)
        made = [keras.ops.convert_to_numpy(array) for array in made]
    else:
        import torch

        torch.set_float32_matmul_precision("high")
        a, b, images, kernel = (torch.tensor(array, device=given.device) for array in (a, b, images, kernel))
        conv = torch.nn.functional.conv2d(images.permute(0, 3, 1, 2), kernel.permute(3, 2, 0, 1))
        made = [(a @ b).cpu().numpy(), conv.permute(0, 2, 3, 1).cpu().numpy()]
    errors = [np.linalg.norm(m - e) / np.linalg.norm(e) for m, e in zip(made, exact)]
    return dict(zip(("matmul", "convolution"), map(float, errors)))


def say(text):
    """A line of progress."""
    print(text, flush=True)


def machine():
    """Where and with what this was measured, as bench.py has it; the GPU's name and driver too."""
    cpu = Path("/proc/cpuinfo").read_text().splitlines()
    found = {"cpu": next(line.split(":", 1)[1].strip() for line in cpu if line.startswith("model name"))}
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    found |= {"cores": len(os.sched_getaffinity(0)), "memory_gb": round(memory)}
    found |= {"load_before": round(os.getloadavg()[0], 2), "python": sys.version.split()[0]}
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    if given.device != "cpu":
        found["gpu"], found["driver"] = subprocess.check_output(query, text=True).splitlines()[0].split(", ")
    names = (
        "keras",
        "tensorflow" if os.environ["KERAS_BACKEND"] == "tensorflow" else "jax",
        "torch",
        "numpy",
    )
    return found | {name: version(name) for name in names}


def measure():
    """Both parts, each in a process of its own; what they found goes into the file as soon as it is there."""
    where, start, found = machine(), time.perf_counter(), {"ways": {}, "precision": {}}
    for part in PARTS:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "part.json"
            command = [sys.executable, __file__, "--part", part, "--json", path]
            for name in ("epochs", "repeats", "images", "device"):
                command += [f"--{name}", str(getattr(given, name))]
            subprocess.run(command, check=True)
            result = json.loads(path.read_text())
        found["ways"] |= result["ways"]
        found["precision"][part] = result["precision"]
        about = {"date": time.strftime("%Y-%m-%d %H:%M"), "machine": where, "quick": given.images < IMAGES}
        about |= {"took": round(time.perf_counter() - start), "repeats": given.repeats}
        about |= {"images": given.images, "epochs": given.epochs}
        about |= {"backend": os.environ["KERAS_BACKEND"]}
        given.json.write_text(json.dumps(about | found, indent=1) + "\n")


def measure_part():
    """One framework's ways, in this process."""
    result = {"ways": {}, "precision": precision(given.part)}

    def save(ways):
        given.json.write_text(json.dumps(result | {"ways": ways}))

    rounds({"keras": keras_ways, "pytorch": pytorch_ways}[given.part](given), given, save)


def merge(path):
    """Put a file of `measure` into reports/bench.json, and make bench.md from that."""
    import page

    results = json.loads((ROOT / "reports" / "bench.json").read_text())
    results["sections"]["gpu"] = json.loads(path.read_text())
    (ROOT / "reports" / "bench.json").write_text(json.dumps(results, indent=1) + "\n")
    (ROOT / "reports" / "bench.md").write_text(page.markdown(results))


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", type=Path, default=Path("gpu.json"), help="written (default: gpu.json)")
    parser.add_argument("--merge", type=Path, help="put this file into reports/bench.json, measure nothing")
    parser.add_argument("--epochs", type=int, default=3, help="of each repetition; the first is left out")
    parser.add_argument("--repeats", type=int, default=3, help="of each way (default: 3)")
    parser.add_argument("--images", type=int, default=IMAGES, help="an epoch's; fewer to try the script")
    parser.add_argument("--device", default="cuda", help="PyTorch's (default: cuda)")
    parser.add_argument("--part", choices=PARTS, help="one framework alone; for the script itself")
    return parser.parse_args()


if __name__ == "__main__":
    given = arguments()
    os.environ.setdefault("KERAS_BACKEND", "jax")
    if given.merge:
        merge(given.merge)
    elif given.part:
        measure_part()
    else:
        measure()
