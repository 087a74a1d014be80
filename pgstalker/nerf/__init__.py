"""Radiance fields of a head, marched along rays: what ER-NeRF, RAD-NeRF and AD-NeRF are composed of."""
