"""How this package uses numba: threads, the lock, and where compiled kernels are kept.

Every kernel is compiled through this module, which decides three things once:

* OMP_WAIT_POLICY=passive, unless the environment says otherwise: spinning OpenMP workers cost up to four times the
  frame time on a machine whose cores are shared. libgomp reads it when numba's OpenMP pool loads it, just below.
* The threading layer: OpenMP where the system has libgomp, else numba's own workqueue. A workqueue entered by two
  Python threads at once aborts the process, so every parallel kernel runs under `kernel_lock`.
* The cache folder. numba's cache is keyed to a kernel's own file, so editing a module that a kernel imports would
  leave stale machine code behind. The folder's name therefore holds a hash of every numba_*.py beside this file:
  change any of them and all kernels compile anew.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
import threading
from pathlib import Path

import numba
import numpy as np

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
log = logging.getLogger(__name__)

kernel_lock = threading.RLock()
"""Hold this around every call of a parallel kernel and around the use of shared scratch memory."""


def _threading_layer() -> str:
    try:
        from numba.np.ufunc import omppool  # noqa: F401
    except ImportError:
        return "workqueue"
    return "omp"


if numba.config.THREADING_LAYER == "default":
    numba.config.THREADING_LAYER = _threading_layer()


def _cache_root() -> Path:
    if numba.config.CACHE_DIR:
        return Path(numba.config.CACHE_DIR)
    base = os.environ.get("PGSTALKER_CACHE")
    return (Path(base) if base else Path.home() / ".cache" / "pgstalker") / "numba"


def _cache_folder() -> str:
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("numba_*.py")):
        digest.update(source.read_bytes())
    name = digest.hexdigest()[:16]
    folder = _cache_root() / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        folder = Path(tempfile.gettempdir()) / f"pgstalker-numba-{os.getuid() if hasattr(os, 'getuid') else 0}" / name
        folder.mkdir(parents=True, exist_ok=True)
        log.warning("kernels are cached in %s: %s", folder, error)
    return str(folder)


_CACHE_FOLDER = _cache_folder()


def _compile(function, **options):
    # numba reads the folder when a function is decorated; other users of numba in this process keep their own.
    others = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = _CACHE_FOLDER
    try:
        return numba.njit(function, cache=True, nogil=True, error_model="numpy", **options)
    finally:
        numba.config.CACHE_DIR = others


def parallel_kernel(function):
    """Compile a kernel that uses prange; call it only under `kernel_lock`."""
    return _compile(function, parallel=True, fastmath=True)


def careful_parallel_kernel(function):
    """As parallel_kernel, with NaN and infinity kept meaningful: for kernels that turn floats into indices."""
    return _compile(function, parallel=True, fastmath={"contract", "nsz", "arcp"})


def serial_kernel(function):
    """Compile a kernel that runs on the calling thread."""
    return _compile(function)


def inlined(function):
    """Compile a piece of a kernel that is always inlined into its caller, without fast-math assumptions."""
    return _compile(function, forceinline=True, fastmath={"contract", "nsz", "arcp"})


def aligned_empty(shape: tuple[int, ...], dtype=np.float32) -> np.ndarray:
    """An uninitialised array whose first element lies on a 64-byte boundary, so that no vector access splits a line."""
    count = int(np.prod(shape))
    size = np.dtype(dtype).itemsize
    memory = np.empty(count * size + 64, np.uint8)
    skip = -memory.ctypes.data % 64
    return memory[skip : skip + count * size].view(dtype).reshape(shape)
