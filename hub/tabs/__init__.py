"""One file per tab; each offers build(...), which is called inside a Blocks."""
