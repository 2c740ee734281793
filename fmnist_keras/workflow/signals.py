"""How the engine and its jobs end: by Ctrl-C, by SIGTERM, or because the other one was killed."""

import contextlib
import logging
import os
import signal
import sys
import threading
import time

GRACE = 5  # seconds to clean up in, once told to end
stopped = False  # the engine was told to end


def install_handlers(is_main):
    """How the engine, that is Snakemake's process, answers signals.

    Ctrl-C ends its jobs too, at once; at SIGTERM Snakemake lets them finish and starts nothing more.

    Args:
        is_main: False in a Snakemake that runs one job of another one, on a cluster's node.
    """
    from snakemake.scheduling.job_scheduler import JobScheduler

    for number in (signal.SIGINT, signal.SIGTERM) if is_main else ():
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup means it
            signal.signal(number, _stop_jobs)
    # Snakemake's own answer to SIGTERM waits for a lock, for ever where the signal came while the same thread
    # held it; another thread only waits until that one goes on.
    finish = JobScheduler.exit_gracefully

    def exit_gracefully(scheduler, *_):
        threading.Thread(target=finish, args=[scheduler]).start()

    JobScheduler.exit_gracefully = exit_gracefully


def _stop_jobs(number, frame):
    """Every job ends too, and no report is made of what was cut off."""
    import psutil

    global stopped
    stopped = True
    for name in (signal.SIGINT, signal.SIGTERM):  # a second Ctrl-C would cut the end of the first one short
        signal.signal(name, signal.SIG_IGN)
    for job in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess):
            job.terminate()
            job.resume()  # one that is paused would not hear it
    raise KeyboardInterrupt


def end_cleanly(parent=None):
    """On SIGINT or SIGTERM leave as `sys.exit` does, so that what is open is cleaned up, within `GRACE`.

    Args:
        parent: the id of the process that this one is to end with, or None. The kernel gives the children
            of a killed process to another one; only the engine asks for this, since what a person has
            started with nohup, or on a cluster, is right to outlive its shell.
    """

    def stop(number, frame):
        for caught in (signal.SIGINT, signal.SIGTERM):
            signal.signal(caught, signal.SIG_IGN)
        logging.disable()  # asyncio would print a traceback for each task that is cut off here
        hard = threading.Timer(GRACE, os._exit, [1])
        hard.daemon = True
        hard.start()
        sys.exit(128 + number)

    def watch():
        while os.getppid() == parent:
            time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGTERM)

    for caught in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(caught) != signal.SIG_IGN:  # nohup and a shell's & mean it
            signal.signal(caught, stop)
    if parent is not None:
        threading.Thread(target=watch, daemon=True).start()
