import subprocess
import sys

from fmnist_keras.runs import locks

MAKE = """
import pathlib, time
from fmnist_keras.runs import locks
with locks.hidden_folder(pathlib.Path({final!r}), "job") as folder:
    print(folder, flush=True)
    time.sleep(60)
"""


def writer(final):
    """A process that has a hidden folder beside `final`, and that folder's name."""
    code = MAKE.format(final=str(final))
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    return process, process.stdout.readline().rpartition("/")[2].strip()


def test_dead_processes_folders_are_removed(tmp_path):
    final = tmp_path / "model_1" / "seed_0"
    (live, lives), (dead, died) = writer(final), writer(final)
    try:
        dead.kill()
        dead.wait()
        (final.parent / ".seed_0.job-unborn").mkdir()  # made by a process that has not locked it yet
        with locks.hidden_folder(final, "job") as mine:
            names = {path.name for path in final.parent.iterdir()}
            assert names == {lives, mine.name, ".seed_0.job-unborn"}
            assert died not in names
    finally:
        live.kill()
        live.wait()


def test_a_released_folder_can_be_moved(tmp_path):
    final = tmp_path / "new" / "seed_0"
    with locks.hidden_folder(final, "partial") as folder:
        locks.release(folder)
        folder.rename(final)
        with locks.hidden_folder(final, "partial"):
            assert list(final.iterdir()) == []
    assert list(final.parent.iterdir()) == [final]


def test_parents_made_for_it_are_removed(tmp_path):
    with locks.hidden_folder(tmp_path / "a" / "b" / "seed_0", "trial"):
        pass
    assert list(tmp_path.iterdir()) == []
