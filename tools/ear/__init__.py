"""The program that trains the ear which ships with pgstalker (audio/viseme.npz) and its sync measure."""
