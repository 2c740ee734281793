"""What a training step is made of: the time of each of its operations, as TensorFlow's profiler notes them.

`python profile_step.py model_1 model_5` trains each on the embedded sample for three epochs, on one thread as
the engine does: one to warm up, one timed, and one profiled. It prints a table; `--ops 30` adds the longest
operations, `--keras` profiles the same models of Keras' own layers, and `--json` is for bench.py.
"""

import argparse
import json
import os
import re
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

import fmnist_keras as fk
from fmnist_keras.workflow import experiments
from fmnist_keras.workflow.execute import KERNEL_ENVIRONMENT

THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
BETWEEN, PIPELINE = "between ops", "input pipeline"
DROPOUT = "dropout, with ReLU and pooling where they are one loop"

# What an operation is counted as: the first pattern that its name, `scope/of/layers/op:Type`, holds.
GROUPS = {
    DROPOUT: r"/dropout[_\d]*/|:PartitionedCall$",  # of all layers ours alone call what XLA compiled
    "convolution, gradient of weights": r":\w*Conv2DBackpropFilter",
    "convolution, gradient of input": r"gradient_tape/.*:\w*Conv2D",
    "convolution, forward": r":\w*Conv2D",  # of a transposed one it is another's gradient of the input
    "matrix product": r":\w*MatMul",
    "max pooling": r":\w*MaxPool",
    "optimizer": r"/(adam|sgd)(_\d+)?/",
    PIPELINE: r":IteratorGetNext\w*$",
    "ReLU, bias, loss, the rest": r":\w+$",
}
WORK = {  # which of floor.py's operations are computed in a group
    "convolution, forward": [("convolution", "forward")],
    "convolution, gradient of weights": [("convolution", "weights")],
    "convolution, gradient of input": [("convolution", "input")],
    "matrix product": [("dense", way) for way in ("forward", "weights", "input")],
}


def group(op):
    """The group of an operation, from its name and type, or itself if it is none."""
    return next((name for name, pattern in GROUPS.items() if re.search(pattern, op, re.IGNORECASE)), op)


def attribute(events, begin, end):
    """Give each moment between two to what ran then, so that all parts add up to the whole.

    Operations come first (of two that overlap the one that began first), then the threads that make the
    batches, and what is left was between operations.

    Args:
        events: list of (thread's name, event's name, begin, end); an operation is called `scope/Relu:Relu`.
        begin: of the whole, in any unit.
        end: of the whole.

    Returns:
        Counter of operation, `PIPELINE` and `BETWEEN` to time.
    """
    pipeline = [(b, e) for thread, _, b, e in events if thread.startswith("tf_data")]
    ops = [e for e in events if not e[0].startswith("tf_data") and re.search(r"(?<!:):\w+$", e[1])]
    busy, found, until = _busy(pipeline), Counter(), begin
    for _, name, b, e in [*sorted(ops, key=lambda op: op[2:]), ("", BETWEEN, end, end)]:
        b, e = max(b, until), min(e, end)
        if b > until:
            made = busy(b) - busy(until)
            found += {PIPELINE: made, BETWEEN: b - until - made}
        if e > b:
            found[name] += e - b
        until = max(until, e)
    return found


def _busy(intervals):
    """A function of t: how long before t any of the intervals lasted."""
    begin, end = np.array(sorted(intervals) or [(0, 0)], dtype="float64").T
    end = np.maximum.accumulate(end)
    begin = np.maximum(begin, np.concatenate([[-np.inf], end[:-1]]))  # what overlaps counts once
    knots = np.stack([begin, np.maximum(begin, end)], 1).ravel()
    lasted = np.repeat(np.cumsum(knots[1::2] - knots[::2]), 2)
    lasted[::2] -= knots[1::2] - knots[::2]
    return lambda t: np.interp(t, knots, lasted)


def trace(work):
    """Run `work()` under the profiler: its events in picoseconds, see `attribute`."""
    import tensorflow as tf
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder, tf.profiler.experimental.ProfilerOptions(host_tracer_level=2))
        try:
            work()
        finally:
            tf.profiler.experimental.stop()
        (path,) = Path(folder).rglob("*.xplane.pb")
        space = xplane_pb2.XSpace.FromString(path.read_bytes())
    events = []
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                start = line.timestamp_ns * 1000 + event.offset_ps
                events.append((line.name, _name(plane, event), start, start + event.duration_ps))
    return events


def _name(plane, event):
    """What an event is called; of an asynchronous operation, as XLA's are, only its attributes say it."""
    name = plane.event_metadata[event.metadata_id].name
    if name != "ExecutorState::ProcessAsync::Start":
        return name
    said = {plane.stat_metadata[s.metadata_id].name: s for s in event.stats}
    parts = (said["name"], said["kernel_type"])
    return ":".join(s.str_value or plane.stat_metadata[s.ref_value].name for s in parts)


def profile(name, images, own_layers):
    """Profile one model of the paper.

    Returns:
        dict: "images" and their "seconds" in `fit`'s steps, from the first one's start to the last one's
        end; "ops" and "groups", seconds by operation and by group; "timed", seconds of an epoch without the
        profiler; "operations", those of an image by group, see floor.py.
    """
    import keras_script
    from floor import operations

    params = experiments.resolve(name, "paper", seed=0)
    fk.training.seed_everything(0)
    dataset = fk.data.load("sample", limit=images)
    model = keras_script.build(params, None)
    if own_layers:
        model = keras_script.of_keras_own_layers(model)
    optimizer = fk.training.optimizer(params.optimizer, params.learning_rate, params.epsilon)
    steps = fk.training.steps_per_execution()
    keras_script.compile_model(model, params, optimizer, steps_per_execution=steps)
    targets = dataset.x_train if params.kind == "autoencoder" else dataset.y_train
    batches = fk.training.batches(dataset.x_train, targets, params.batch_size, shuffle=True)

    def epoch():
        start = time.perf_counter()
        model.fit(batches, verbose=0, shuffle=False)
        return time.perf_counter() - start

    epoch()
    timed, events = epoch(), trace(epoch)
    steps = [(b, e) for _, event, b, e in events if re.search("Execute: .*step_on_iterator", event)]
    begin, end = min(b for b, _ in steps), max(e for _, e in steps)
    ops = {op: t / 1e12 for op, t in attribute(events, begin, end).items()}
    groups = pd.Series(ops).groupby(group).sum().to_dict()
    work, by = operations(model), {}
    for part, kinds in WORK.items():
        by[part] = sum(work[kind] for kind in kinds)
    found = {
        "images": images,
        "batch_size": params.batch_size,
        "timed": timed,
        "seconds": (end - begin) / 1e12,
    }
    return found | {"ops": ops, "groups": groups, "operations": by}


def main():
    """Profile the models named on the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("models", nargs="+")
    parser.add_argument("--images", type=int, default=6000, help="of the sample's (default: all 6,000)")
    parser.add_argument("--keras", action="store_true", help="Keras' own layers in place of the project's")
    parser.add_argument("--ops", type=int, default=0, help="show so many of the longest operations")
    parser.add_argument("--json", action="store_true", help="one line of JSON in place of the tables")
    given = parser.parse_args()
    environment = dict.fromkeys(THREADS, "1") | KERNEL_ENVIRONMENT
    if not environment.keys() <= os.environ.keys():  # glibc reads its part when a process starts
        os.execve(sys.executable, [sys.executable, *sys.argv], environment | os.environ)
    sys.argv[1:] = ["--how", "project"]  # for keras_script: not TensorFlow's own defaults
    found = {name: profile(name, given.images, given.keras) for name in given.models}
    import floor

    if given.json:
        models = {name: {key: v for key, v in one.items() if key != "ops"} for name, one in found.items()}
        print(json.dumps({"product": max(floor.rates().values()), "models": models}))
        return
    for key, most in (("groups", None), ("ops", given.ops)):
        times = pd.DataFrame({name: pd.Series(one[key]) / one["images"] * 1e6 for name, one in found.items()})
        print(
            times.sort_values(times.columns[0], ascending=False)[:most].rename_axis("µs an image").to_string()
        )


if __name__ == "__main__":
    main()
