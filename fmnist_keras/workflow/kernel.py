"""The kernel of the Python that runs this."""

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
