import errno
import subprocess
import sys

import nbformat
import pytest
from nbclient.exceptions import DeadKernelError

from fmnist_keras import __main__ as main
from fmnist_keras import _sources as sources
from fmnist_keras import data, runs
from fmnist_keras.workflow import execute, signals

papermill = pytest.importorskip("papermill")  # the engine is an extra


@pytest.fixture
def engine(monkeypatch, tmp_path):
    """Replaces papermill by a script of each try's exception, or None."""

    def play(*script):
        tries = iter(script)

        def play_one(notebook, output, values, **kwargs):
            cell = nbformat.v4.new_code_cell("1 + 1")
            nbformat.write(nbformat.v4.new_notebook(cells=[cell]), output)
            if outcome := next(tries):
                raise outcome

        monkeypatch.setattr(papermill, "execute_notebook", play_one)
        out, failed = tmp_path / "out.ipynb", tmp_path / "out.failed.ipynb"
        execute.execute_notebook("in.ipynb", out, {}, "model_1", failed)

    return play


DIED = RuntimeError("Kernel died before replying to kernel_info")


def test_kernel_start_is_tried_three_times(engine, tmp_path, capsys):
    engine(DIED, DIED, None)
    assert capsys.readouterr().out.count("trying again") == 2
    assert [path.name for path in tmp_path.iterdir()] == ["out.ipynb"]
    with pytest.raises(execute.JobFailed, match="Kernel died before replying"):
        engine(DIED, DIED, DIED)


def test_failed_cell_spares_earlier_notebook(engine, tmp_path):
    (tmp_path / "out.ipynb").write_text("the last good one")
    with pytest.raises(execute.JobFailed, match="model_1: out of luck"):
        engine(DeadKernelError("out of luck"), None)
    assert (tmp_path / "out.ipynb").read_text() == "the last good one"
    assert nbformat.read(tmp_path / "out.failed.ipynb", 4).cells[0].source == "1 + 1"
    assert len(list(tmp_path.iterdir())) == 2


def test_a_notebook_without_finish_is_kept(reports, monkeypatch, tiny):
    """Its cells have run, and left no result."""
    monkeypatch.setattr(execute, "execute_notebook", lambda notebook, output, *rest: output.touch())
    with pytest.raises(execute.JobFailed, match=r"seed 0: autoencoder\.ipynb ended without run\.finish"):
        execute.run_model(tiny("model_1"))
    assert [path.name for path in (reports / "test" / "model_1").iterdir()] == ["seed_0.failed.ipynb"]


def test_failed_report_spares_page(reports, monkeypatch):
    def fail(notebook, output, values, label, failed):
        nbformat.write(nbformat.v4.new_notebook(), failed)
        raise execute.JobFailed("out of luck")

    monkeypatch.setattr(execute, "execute_notebook", fail)
    monkeypatch.setattr(runs, "require_runs", lambda suite: None)
    folder = reports / "sample"
    folder.mkdir()
    for name in ("index.html", "report.ipynb"):
        (folder / name).write_text("the last good one")
    with pytest.raises(execute.JobFailed, match="out of luck"):
        execute.make_report("sample")
    assert (folder / "report.failed.ipynb").is_file()
    for name in ("index.html", "report.ipynb"):
        assert (folder / name).read_text() == "the last good one"


def test_failed_conversion_spares_page(reports, monkeypatch):
    """Neither the page nor the notebook beside it is replaced before both are made."""

    def fail(*arguments):
        raise OSError("no space")

    monkeypatch.setattr(execute, "execute_notebook", lambda notebook, output, *rest: output.touch())
    monkeypatch.setattr(execute.pages, "page", fail)
    monkeypatch.setattr(runs, "require_runs", lambda suite: None)
    (reports / "sample").mkdir()
    (reports / "sample" / "report.ipynb").write_text("the last good one")
    with pytest.raises(OSError, match="no space"):
        execute.make_report("sample")
    assert (reports / "sample" / "report.ipynb").read_text() == "the last good one"


def test_epoch_lines_have_a_label(capsys):
    lines = execute.EpochLines("sample model_1 seed 0")
    for text in ("train (64, 28, 28, 1)\nepoch 1/4  loss 0.3\n", "epoch 2/4  loss 0.2\n"):
        lines.write(text)
    assert capsys.readouterr().out.splitlines() == [
        f"sample model_1 seed 0  epoch {epoch}" for epoch in ("1/4  loss 0.3", "2/4  loss 0.2")
    ]


def test_errors_are_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr(signals, "end_cleanly", lambda parent: None)  # pytest's signals are its own
    (tmp_path / "file").touch()
    monkeypatch.setenv("REPORTS_DIR", str(tmp_path / "file"))
    for words, error in {
        ("run", "model_99"): "error: model: 'model_99' is not in params; did you mean",
        ("run", str(tmp_path / "x.yaml")): "error: .*x.yaml: cannot be read: .* No such file",
        ("report", "../evil"): r"error: suite: '\.\./evil' is not allowed; allowed: the name of a",
        ("report", "sample"): "error: .*Not a directory: .*/file/sample",
    }.items():
        with pytest.raises(SystemExit, match=error):
            main.main(words)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_data_says_where_it_is(monkeypatch, capsys):
    sample = sources.read_folder(sources.SAMPLE_DIR, data.SHA256["sample"])
    monkeypatch.setattr(data, "find", lambda name: ("the Keras cache, /somewhere", sample))
    main.main(["data"])
    output = capsys.readouterr().out
    assert "Fashion-MNIST from the Keras cache, /somewhere" in output
    assert output.count("verified") == 4


def test_full_disk_is_recognised():
    error = OSError(errno.ENOSPC, "No space left on device", "/somewhere/file")
    assert "no space was left for /somewhere/file" in execute.disk_full(error)
    assert "the disk is full" in execute.disk_full("[Errno 28] No space left on device")
    assert execute.disk_full(OSError(errno.ENOENT, "No such file")) is None


def test_run_starts_without_heavy_imports():
    code = (
        "import sys; from fmnist_keras import __main__\n"
        "heavy = ('keras', 'matplotlib', 'pandas', 'scipy', 'seaborn')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=runs.ROOT, capture_output=True, text=True, encoding="utf-8"
    )
    assert result.stdout == "[]\n", result.stderr
