"""Results that others send: packed, checked, placed among the board's, and taken."""

STEPS = """\
python -m leaderboard truth presenters/mira --out mira     # the held-out frames, their sound, the poses of all
# train on the clip's other frames, render mira/mine.mkv in step with mira/truth.mkv, losslessly
python -m leaderboard score --pred mira/mine.mkv --gt mira/truth.mkv --audio mira/sound.wav \\
  --out mine.json --clip presenters/mira --method mine --composite full_frame
python -m leaderboard submit example.zip --example && unzip example.zip method.json   # edit it: its id is "mine"
python -m leaderboard submit mine.zip --records mine.json --predictions mira/mine.mkv \\
  --description method.json --by "A. Name"                 # packed, and checked rule by rule
python -m leaderboard submit mine.zip --dry-run            # where it would stand
python -m leaderboard submit mine.zip --accept             # to leaderboard/results/submitted/METHOD/REVISION
python -m leaderboard report                               # the tables, with it among them
git checkout -b mine && git add README.md leaderboard/results && git commit -m "Submit mine\""""
"""From a clip to a pull request: what the page shows and docs/submitting.md says."""
