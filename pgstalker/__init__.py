"""Audio-driven 3D talking heads with Gaussian splatting (PGSTalker, arXiv 2509.16922)."""

import os

__version__ = "0.1.0"

# Read by torch's OpenMP when torch is first imported: on cores that others want too, threads that spin at a barrier
# take the very time that they wait for.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
