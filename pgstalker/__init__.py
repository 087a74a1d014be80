"""Audio-driven 3D talking heads with Gaussian splatting (PGSTalker, arXiv 2509.16922)."""

__version__ = "0.1.0"
