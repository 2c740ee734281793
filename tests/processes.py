"""Processes that a test starts, waits for and kills, and all that they have started themselves."""

import contextlib
import re
import subprocess
import threading
import time

import psutil


class Running:
    """A process in a session of its own, its output as it comes, and everything that it has started."""

    def __init__(self, **call):
        self.process = subprocess.Popen(**call, start_new_session=True)
        self.seen, self.lines = {}, []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line)

    @property
    def output(self):
        return "".join(self.lines)

    def family(self):
        """Return all processes that it has started, also those whose parent has gone since."""
        with contextlib.suppress(psutil.NoSuchProcess):
            self.seen |= {p.pid: p for p in psutil.Process(self.process.pid).children(recursive=True)}
        return list(self.seen.values())

    def kernels(self):
        """Return the notebooks' kernels that run."""
        return [p for p in alive(self.family()) if "ipykernel_launcher" in " ".join(p.cmdline())]

    def wait_for(self, *patterns, seconds=300):
        """Wait until the output has all patterns."""
        wait(lambda: all(re.search(p, self.output) for p in patterns), seconds, lambda: self.output)
        self.family()

    def find(self, words, under=None):
        """Return the one process of the family, or below one of it, whose command has these words."""
        family = under.children(recursive=True) if under else self.family()
        (found,) = (p for p in family if p.is_running() and words in " ".join(p.cmdline()))
        return found

    def all_gone(self, seconds):
        """Wait until the process and its family have ended."""
        wait(lambda: self.process.poll() is not None, seconds, lambda: self.output)
        wait(lambda: not alive(self.seen.values()), seconds, lambda: f"{alive(self.seen.values())}")

    def clear(self):
        """Kill the process and its family."""
        own = [psutil.Process(self.process.pid)] if self.process.poll() is None else []
        for process in [*self.family(), *own]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait(30)


def alive(processes):
    """Return those of the processes that run: a zombie does not."""
    running = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                running.append(process)
    return running


def wait(condition, seconds, why):
    """Wait until a condition is true; fail with what `why` returns after so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, why()
        time.sleep(0.05)
