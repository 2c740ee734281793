"""The kernel of the Python that runs this."""

import os
import signal

from ipykernel.kernelspec import get_kernel_dict
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec


class InterpreterKernel(AsyncKernelManager):
    """Starts kernels with the interpreter that runs this, whatever a notebook or a cluster says.

    A notebook holds the name of the kernel that it was last saved with, "tesis" perhaps; and where there is
    a `JUPYTER_PATH`, "python3" may be another Python than this one.
    """

    @property
    def kernel_spec(self):
        """How to start one: a `KernelSpec`."""
        return KernelSpec(**get_kernel_dict())

    async def is_alive(self):
        """Return whether the kernel runs; if a signal has ended it, print which, to stderr."""
        status = await self.provisioner.poll() if self.has_kernel else None
        if status is not None and status < 0:
            why = ", perhaps for want of memory" if status == -signal.SIGKILL else ""
            said = f"ended by signal {-status} ({signal.strsignal(-status)}){why}"
            os.write(2, f"{said}\n".encode())
        return status is None and self.has_kernel
