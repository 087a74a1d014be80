"""Gaussians: the cloud, how it starts, how its density is controlled, and its exchange format."""

from pgstalker.gaussians.cloud import PARAMETERS, GaussianCloud

__all__ = ["PARAMETERS", "GaussianCloud"]
