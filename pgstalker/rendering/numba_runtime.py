"""How this package uses numba: how kernels are compiled and cached, and how the cores share their work.

numba's own `parallel=True` is not used. Its OpenMP threads meet at a barrier after every loop, so on a machine whose
cores are also wanted by others each loop waits for a worker that has not been given a core yet. Here a kernel works on
a range; `share` cuts the range into parts, a few Python threads and the caller take them one by one (kernels release
the GIL), and the caller waits only for parts that were really begun. It is also safe after fork and from several Python
threads, and needs no libgomp.

numba's cache is keyed to a kernel's own file, so editing a module that a kernel imports would leave stale machine
code behind. The cache folder's name therefore holds a hash of every numba_*.py beside this file: change any of them
and all kernels compile anew.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numba
import numpy as np

log = logging.getLogger(__name__)

PARTS_PER_THREAD = 4

kernel_lock = threading.RLock()
"""Hold this while using scratch memory that is shared between calls."""


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


@contextmanager
def compiling(name: str, first: str) -> Iterator[None]:
    """Around the first use of kernels: a line in the log before and after it where they must be compiled, which takes
    long enough for a person to wonder. first: the name of a kernel that is compiled within."""
    started = None
    if not any(Path(_CACHE_FOLDER).rglob(f"*.{first}-*.nbi")):
        log.info("compiling the kernels for %s for this processor: once, less than a minute", name)
        started = time.perf_counter()
    yield
    if started is not None:
        log.info("compiled in %.0f s", time.perf_counter() - started)


def _compile(function, **options):
    # numba reads the folder when a function is decorated; other users of numba in this process keep their own.
    others = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = _CACHE_FOLDER
    try:
        return numba.njit(function, cache=True, nogil=True, error_model="numpy", **options)
    finally:
        numba.config.CACHE_DIR = others


def fast_kernel(function):
    """Compile a kernel in which no number is NaN or infinite, or does harm if it is."""
    return _compile(function, fastmath=True)


def careful_kernel(function):
    """As fast_kernel, with NaN and infinity kept meaningful: for kernels that turn floats into indices."""
    return _compile(function, fastmath={"contract", "nsz", "arcp"})


def inlined(function):
    """Compile a piece of a kernel that is always inlined into its caller, without fast-math assumptions."""
    return _compile(function, forceinline=True, fastmath={"contract", "nsz", "arcp"})


class _Crew:
    """The threads that help; NUMBA_NUM_THREADS or one per core, the caller included."""

    def __init__(self):
        self.resize(numba.config.NUMBA_NUM_THREADS)

    def resize(self, threads: int) -> None:
        self.threads = threads
        self.helpers = ThreadPoolExecutor(max(threads - 1, 1), thread_name_prefix="pgstalker-kernel")


_crew = _Crew()


def thread_count() -> int:
    """How many threads share a kernel's work, the caller included."""
    return _crew.threads


def set_thread_count(threads: int) -> None:
    """Change thread_count(); not while a kernel runs."""
    _crew.resize(threads)


def share(kernel, total: int, *arguments, parts_per_thread: int = PARTS_PER_THREAD) -> None:
    """Call kernel(begin, end, *arguments) for parts of range(total), on all cores; returns when all are done.

    Parts run in any order and at the same time: they must write to different places.
    """
    threads = _crew.threads
    parts = min(total, threads * parts_per_thread)
    if threads == 1 or parts < 2:
        kernel(0, total, *arguments)
        return
    bounds = [total * part // parts for part in range(parts + 1)]
    waiting = deque(zip(bounds, bounds[1:]))

    def work() -> None:
        while True:
            try:
                begin, end = waiting.popleft()
            except IndexError:
                return
            kernel(begin, end, *arguments)

    helpers = [_crew.helpers.submit(work) for _ in range(threads - 1)]
    work()
    for helper in helpers:
        if not helper.cancel():  # it has begun: wait for its part
            helper.result()


def aligned_empty(shape: tuple[int, ...], dtype=np.float32) -> np.ndarray:
    """An uninitialised array whose first element lies on a 64-byte boundary, so that no vector access splits a line."""
    count = int(np.prod(shape))
    size = np.dtype(dtype).itemsize
    memory = np.empty(count * size + 64, np.uint8)
    skip = -memory.ctypes.data % 64
    return memory[skip : skip + count * size].view(dtype).reshape(shape)
