"""A method of somebody else's repository, in two commands. docs/external_method.md goes through it."""

from pgstalker.external import external

METHOD = external(
    id="loudness-bins",
    title="Mean frame by loudness",
    file=__file__,
    train=(
        "{python}", "{here}/loudness/train.py", "--subject", "{subject}", "--out", "{out}",
        "--seed", "{seed}", "--steps", "{steps}",
    ),
    render=(
        "{python}", "{here}/loudness/render.py", "--model", "{model}", "--performance", "{performance}",
        "--out", "{frames}",
    ),
)  # fmt: skip
