"""The board as text: one table for each dataset and picture size, rows of one protocol beside each other.

What was measured here and what papers print never share a table.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from typing import Any

from leaderboard.board.ranking import RANKS_MEAN
from leaderboard.report.escapes import md, tex
from leaderboard.report.warned import warning_lines
from leaderboard.running.tasks import BOARD_BASE

README_CELLS = ("psnr", "psnr_mouth", "ssim", "lpips", "lmd_mp", "aperture_r", "sync_ridge", "sync_confidence")
README_PAIRS = ("psnr", "psnr_mouth", "lmd_mp")
GROUPS = ("fidelity", "lip", "sync", "speed")
KINDS = ("reference", "oracle", "floor", "gaussians", "nerf", "external")
DRAWN = ("gaussians", "nerf", "external")
"""Kinds that draw what they show, and have a speed."""
PROTOCOL_WORDS = {
    "gt_torso": "head over the true torso",
    "rendered_torso": "head and torso drawn",
    "pasteback": "face pasted into the true frame",
    "full_frame": "whole frame",
}
Group = tuple[str, int]
"""Dataset, picture size px."""


def groups(board: dict[str, Any]) -> Iterator[tuple[Group, list[dict[str, Any]]]]:
    """Rows by dataset and size; within, by protocol, the usual ones first; references and floors, then the better."""
    found: dict[Group, list[dict[str, Any]]] = {}
    for row in board["rows"]:
        found.setdefault((row["dataset"], row["size"] or 0), []).append(row)
    for group in sorted(found):
        yield group, sorted(found[group], key=lambda row: (not is_usual(board, row), *_order(row)))


def _order(row: dict[str, Any]) -> tuple:
    overall = row["overall"] if row["overall"] is not None else 1e9
    return row["protocol"], KINDS.index(row["kind"]), overall, row["method"], row["revision"]


def is_usual(board: dict[str, Any], row: dict[str, Any]) -> bool:
    """Said by the person's own sound, and compared losslessly."""
    protocol = board["protocols"].get(row["protocol"], {})
    return protocol.get("setting") != "cross" and protocol.get("codec") in (None, "lossless")


def used_cells(rows: list[dict[str, Any]], among: tuple[str, ...]) -> list[str]:
    """Those that at least one row has a value for."""
    return [key for key in among if any(row["values"].get(key) is not None for row in rows)]


def name_of(row: dict[str, Any]) -> str:
    """Title, and in brackets what of it is not as usual."""
    base = row["revision"].partition("+")[0]
    notes = [row["variant"].replace("+", ", "), "" if base == BOARD_BASE else base]
    notes += ["submitted"] if row["source"] == "submitted" else []
    told = ", ".join(note for note in notes if note)
    return f"{row['title']} ({told})" if told else row["title"]


def sides(count: int) -> list[str]:
    """Where a plot's labels stand, of points that go from left to right: neighbours on different sides."""
    return [("top center", "bottom center")[number % 2] for number in range(count)]


def composite_of(board: dict[str, Any], row: dict[str, Any]) -> str:
    protocol = board["protocols"][row["protocol"]]
    words = PROTOCOL_WORDS.get(protocol["composite"] or "", "unknown")
    more = [protocol["setting"] if protocol["setting"] == "cross" else "", protocol["codec"] or ""]
    return ", ".join([words, *(word for word in more if word not in ("", "lossless"))])


def value_of(board: dict[str, Any], row: dict[str, Any], key: str) -> str:
    """For people; an en dash where the cell is blank, in parentheses where the row lacks some of the table's clips."""
    value = row["values"].get(key)
    if value is None:
        return "–"
    text = f"{value:.{board['metrics'][key]['decimals']}f}"
    return text if row["is_compared"] else f"({text})"


def clips_of(board: dict[str, Any], row: dict[str, Any]) -> str:
    """How many the means are over: of how many where that is not all, and how many were scored where more were."""
    table = _table_of(board, row)
    scored = sum(clip["record"] is not None for clip in row["clips"])
    total = len({*table["clips"], *(clip["clip"] for clip in row["clips"])})
    if scored > row["clips_meant"]:
        return f"{row['clips_meant']} ({scored} scored)"
    return f"{scored}" if scored == total else f"{scored} of {total}"


def _table_of(board: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    place = [row[name] for name in ("dataset", "protocol", "size")]
    return next(table for table in board["tables"] if [table[n] for n in ("dataset", "protocol", "size")] == place)


def rank_of(row: dict[str, Any]) -> str:
    """Over the groups, with its interval where there is one."""
    if row["overall"] is None:
        return "–"
    low, high = row["overall_ci95"] or (None, None)
    return f"{row['overall']:.3g}" + ("" if low is None else f" [{low:.3g}, {high:.3g}]")


def is_best(rows: list[dict[str, Any]], row: dict[str, Any], key: str) -> bool:
    """It has the best rank of its protocol, and some rank worse: ties are all marked."""
    ranks = [other["ranks"][key] for other in rows if other["protocol"] == row["protocol"] and key in other["ranks"]]
    return key in row["ranks"] and row["ranks"][key] == min(ranks) < max(ranks)


def arrow(metric: dict[str, Any]) -> str:
    return {"higher": "↑", "lower": "↓"}.get(
        metric["direction"], f"→{metric['target']:g}" if metric["target"] else "→0"
    )


def _whole(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"


def _speed(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def _seconds(row: dict[str, Any]) -> str:
    return "–" if row["train_seconds"] is None or row["kind"] in ("reference",) else f"{row['train_seconds']:.0f} s"


def readme_of(board: dict[str, Any]) -> str:
    """README's block: a table for each dataset, the usual protocols, the columns that matter most."""
    parts = []
    for (dataset, size), rows in groups(board):
        rows = [row for row in rows if is_usual(board, row)]
        keys = used_cells(rows, README_CELLS)
        if not rows or not keys:
            continue
        clips = sorted({clip["clip"] for row in rows for clip in row["clips"]})
        lines = [f"**{dataset}** ({', '.join(clips)}), {size} px:", "", *_markdown(board, rows, keys)]
        parts.append("\n".join(lines))
        parts += ["\n".join(lines)] if (lines := _lead(board, rows)) else []
    if not parts:
        return "No row has been measured yet: `python -m leaderboard regenerate`."
    return "\n\n".join([*parts, _note(board)])


def _lead(board: dict[str, Any], rows: list[dict[str, Any]]) -> list[str]:
    """By how much our own method leads each of the others, row by row of one dataset and size."""
    names = {(row["dataset"], row["size"], row["protocol"], row["method"], row["revision"]): row for row in rows}
    found: dict[tuple, dict[str, dict[str, Any]]] = {}
    for pair in board["paired"]:
        place = pair["dataset"], pair["size"], pair["protocol"]
        sides = tuple((*place, *pair[side].values()) for side in ("first", "second"))
        if pair["cell"] in README_PAIRS and all(side in names for side in sides):
            found.setdefault(sides, {})[pair["cell"]] = pair
    keys = [key for key in README_PAIRS if any(key in cells for cells in found.values())]
    if not keys:
        return []
    heads = [f"{board['metrics'][key]['title']} {arrow(board['metrics'][key])}" for key in keys]
    lines = ["Differences on the same frames of the clips that both have, with 95 % intervals:", ""]
    lines += ["| | " + " | ".join([*heads, "clips"]) + " |", "|" + "---|" * (len(keys) + 2)]
    for (first, second), cells in found.items():
        told = [_difference(board, cells[key]) if key in cells else "–" for key in keys]
        clips = max(pair["clips"] for pair in cells.values())
        who = md(f"{name_of(names[first])} less {name_of(names[second])}")
        lines.append("| " + " | ".join([who, *told, str(clips)]) + " |")
    return lines


def _difference(board: dict[str, Any], pair: dict[str, Any]) -> str:
    """With its sign and its 95 % interval."""
    places = board["metrics"][pair["cell"]]["decimals"]
    low, high = pair["ci95"] or (None, None)
    return f"{pair['difference']:+.{places}f}" + ("" if low is None else f" [{low:+.{places}f}, {high:+.{places}f}]")


def _note(board: dict[str, Any]) -> str:
    devices = sorted({row["device"] for row in board["rows"] if row["device"]})
    return (
        "Means over clips of the held-out last eleventh, frames compared losslessly. Compare only rows with the same "
        "words under “beside the head”. Values in parentheses are means over fewer clips: do not compare them with "
        "other rows. –: [the whole board](leaderboard/results/board.md) says why; it also says [what each figure "
        "means](leaderboard/results/board.md#which-figure-is-what), and has the rows through H.264 and in another's "
        f"words. frames/s: networks, drawing and compositing on {', '.join(devices) or 'no device'}."
        f"{_unseen(board)}\n\n{RANKS_MEAN} Bold: the best rank of its column."
    )


def _unseen(board: dict[str, Any]) -> str:
    """Which of the README's figures no row has, and why, as most of the cells themselves say."""
    blank = [key for key in README_CELLS if key not in used_cells(board["rows"], README_CELLS)]
    reasons: dict[str, list[str]] = {}
    for key in blank:
        found = Counter(
            clip["reasons"][key] for row in board["rows"] for clip in row["clips"] if key in clip["reasons"]
        )
        if found:
            reasons.setdefault(found.most_common(1)[0][0], []).append(key)
    told = (f"{', '.join(board['metrics'][key]['title'] for key in keys)}: {why}" for why, keys in reasons.items())
    return "".join(f" No row has {line}." for line in told)


def _markdown(board: dict[str, Any], rows: list[dict[str, Any]], keys: list[str]) -> list[str]:
    heads = [f"{board['metrics'][key]['title']} {arrow(board['metrics'][key])}" for key in keys]
    lines = ["| method | beside the head | clips | rank | " + " | ".join([*heads, "frames/s", "trained"]) + " |"]
    lines.append("|" + "---|" * (len(keys) + 6))
    for row in rows:
        cells = [value_of(board, row, key) for key in keys]
        cells = [f"**{text}**" if is_best(rows, row, key) else text for key, text in zip(keys, cells)]
        speed = _speed(row["speed"]["render_fps"] if row["kind"] in DRAWN else None)
        about = [md(name_of(row)), composite_of(board, row), clips_of(board, row), rank_of(row)]
        lines.append("| " + " | ".join([*about, *cells, speed, _seconds(row)]) + " |")
    return lines


def markdown_of(board: dict[str, Any]) -> str:
    """The whole board: every cell with its interval, every clip, every reason; then what papers print."""
    parts = [
        "# The board",
        "Written by `python -m leaderboard report`; nothing here is typed by hand.",
        "## Measured here",
        f"{RANKS_MEAN} Bold: the best rank of its column. In parentheses: over fewer clips than the others there.",
    ]
    for (dataset, size), rows in groups(board):
        parts.append(f"### {dataset}, {size} px")
        parts.append("\n".join(_markdown(board, rows, used_cells(rows, tuple(board["metrics"])))))
        for table in board["tables"]:
            if (table["dataset"], table["size"] or 0) == (dataset, size):
                parts += _rank_parts(board, table, rows)
        parts += ["\n".join(lines)] if (lines := _costs(board, rows)) else []
        parts.append("\n".join(_clip_lines(board, rows)))
        parts += ["\n".join(reasons)] if (reasons := _reasons(rows)) else []
        parts += ["\n".join(lines)] if (lines := warning_lines(rows, name_of)) else []
        parts += ["\n".join(lines)] if (lines := _pairs(board, dataset, size)) else []
    if board["experiments"]:
        parts.append("## Experiments")
    for experiment in board["experiments"]:
        parts += [f"### {experiment['title']}", " ".join([experiment["question"], *notes_of(experiment)])]
        parts.append("\n".join(_plain(board, experiment["table"])))
    parts += ["## Which figure is what", "\n".join(_meanings(board))]
    parts += ["## Printed in papers", "Other clips, other protocols: no figure here compares with one above."]
    parts.append("\n".join(_reported(board)))
    return "\n\n".join(parts) + "\n"


def _rank_parts(board: dict[str, Any], table: dict[str, Any], rows: list[dict[str, Any]]) -> list[str]:
    """The ranks of one protocol, and who and what does not rank."""
    own = [row for row in rows if row["protocol"] == table["protocol"] and row["overall"] is not None]
    groups_ranked = [group for group in GROUPS if any(group in row["group_ranks"] for row in own)]
    where, parts = composite_of(board, {"protocol": table["protocol"]}), []
    if own:
        what = "these frames only" if table["scope"] == "frames" else "clips like these"
        parts.append(f"Ranks, {where}, over {', '.join(table['clips'])}; they hold for {what}:")
        lines = ["| " + " | ".join(["method", "rank", *groups_ranked]) + " |", "|" + "---|" * (len(groups_ranked) + 2)]
        for row in own:
            cells = [f"{row['group_ranks'][group]:.3g}" for group in groups_ranked]
            lines.append("| " + " | ".join([md(name_of(row)), rank_of(row), *cells]) + " |")
        parts.append("\n".join(lines))
    left = [one for one in board["left_out"] if all(one[n] == table[n] for n in ("dataset", "protocol", "size"))]
    reasons: dict[str, list[str]] = {}
    for one in left:
        reasons.setdefault(one["reason"], []).append(one["row"] or one["cell"])
    if reasons:
        parts += [] if own else [f"No ranks, {where}:"]
        parts.append("\n".join(f"- not ranked: {', '.join(names)}: {why}" for why, names in reasons.items()))
    return parts


COST_HEADS = (
    "frames/s", "95th percentile, ms", "sound to video, frames/s", "first frame, ms", "memory to draw, MB",
    "trained, s", "memory to train, MB", "Gaussians",
)  # fmt: skip


def _costs(board: dict[str, Any], rows: list[dict[str, Any]]) -> list[str]:
    """Time and memory of every row that draws."""
    lines = ["| method | beside the head | " + " | ".join(COST_HEADS) + " |", "|" + "---|" * (len(COST_HEADS) + 2)]
    for row in rows:
        if row["kind"] in DRAWN:
            speed = row["speed"]
            beside = composite_of(board, row)
            told = [_speed(speed["render_fps"]), _whole(speed["render_ms_p95"]), _speed(speed["end_to_end_fps"])]
            told += [_whole(speed["first_frame_ms"]), _whole(speed["peak_memory_mb"]), _whole(row["train_seconds"])]
            told += [_whole(row["train_peak_memory_mb"]), _whole(row["gaussians"])]
            lines.append("| " + " | ".join([md(name_of(row)), beside, *told]) + " |")
    return ["What it costs:", "", *lines] if len(lines) > 2 else []


def _clip_lines(board: dict[str, Any], rows: list[dict[str, Any]]) -> list[str]:
    keys = used_cells(rows, README_CELLS)
    heads = [board["metrics"][key]["title"] for key in keys]
    lines = ["Each clip, with 95 % intervals (block bootstrap over its frames):", ""]
    lines += ["| method | clip | frames | " + " | ".join(heads) + " |", "|" + "---|" * (len(keys) + 3)]
    for row in rows:
        for clip in row["clips"]:
            cells = [_with_interval(board, clip, key) for key in keys]
            lines.append("| " + " | ".join([md(name_of(row)), clip["clip"], _frames(clip), *cells]) + " |")
    return lines


def _frames(clip: dict[str, Any]) -> str:
    return str(clip["frames"]) if clip["stride"] == 1 else f"{clip['frames']}, one in {clip['stride']}"


def _with_interval(board: dict[str, Any], clip: dict[str, Any], key: str) -> str:
    value, interval, places = clip["values"].get(key), clip["ci95"].get(key), board["metrics"][key]["decimals"]
    if value is None:
        return "–"
    return f"{value:.{places}f}" + (f" [{interval[0]:.{places}f}, {interval[1]:.{places}f}]" if interval else "")


def _reasons(rows: list[dict[str, Any]]) -> list[str]:
    """Why cells are blank: each reason once, with the cells and rows that it holds for."""
    found: dict[str, tuple[set[str], set[str]]] = {}
    for row in rows:
        for clip in row["clips"]:
            for key, reason in clip["reasons"].items():
                keys, where = found.setdefault(reason, (set(), set()))
                keys.add(key)
                where.add(name_of(row))
    total = {name_of(row) for row in rows}
    return [
        f"- {', '.join(sorted(keys))}: {md(reason)}{'' if where == total else md(f' ({_listed(where)})')}"
        for reason, (keys, where) in sorted(found.items())
    ]


def _pairs(board: dict[str, Any], dataset: str, size: int) -> list[str]:
    """Our own method less each other one, on the same frames of the same clips."""
    pairs = [pair for pair in board["paired"] if (pair["dataset"], pair["size"] or 0) == (dataset, size)]
    if not pairs:
        return []
    lines = [
        "On the same frames: the first less the second, with its 95 % interval; p by sign flips over clips, Holm's:",
        "",
    ]
    lines += ["| first | second | figure | difference | p | |", "|---|---|---|---|---|---|"]
    for pair in pairs:
        who = [f"{pair[side]['method']} {pair[side]['revision']}" for side in ("first", "second")]
        p = "–" if pair["p_holm"] is None else f"{pair['p_holm']:.3f}"
        figure = board["metrics"][pair["cell"]]["title"]
        cells = [*who, figure, _difference(board, pair), p, pair["verdict"]]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def notes_of(experiment: dict[str, Any]) -> list[str]:
    """What a reader must know of its table, as sentences."""
    return [f"{note[:1].upper()}{note[1:]}." for note in experiment.get("notes", [])]


def _plain(board: dict[str, Any], table: list[dict[str, Any]]) -> list[str]:
    """An experiment's table, without columns that are blank everywhere."""
    keys = list(dict.fromkeys(key for line in table for key, value in line.items() if value not in (None, "")))
    heads = [board["metrics"][key]["title"] if key in board["metrics"] else key.replace("_", " ") for key in keys]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return lines + ["| " + " | ".join(_told(line.get(key)) for key in keys) + " |" for line in table]


def _told(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value in (None, "") else md(str(value))


def _listed(names: set[str]) -> str:
    return "; ".join(sorted(names))


def _meanings(board: dict[str, Any]) -> list[str]:
    lines = ["| figure | unit | better | meaning |", "|---|---|---|---|"]
    for key, metric in board["metrics"].items():
        strided = f" (one frame in {metric['stride']})" if metric["stride"] > 1 else ""
        meaning = (metric["meaning"] + strided).replace("|", "\\|")
        lines.append(f"| {metric['title']} `{key}` | {metric['unit']} | {arrow(metric)} | {meaning} |")
    return lines


def _reported(board: dict[str, Any]) -> list[str]:
    keys = list(dict.fromkeys(key for row in board["reported"] for key in row["metrics"]))
    lines = ["| method | setting | " + " | ".join(keys) + " | printed in | checked |", "|" + "---|" * (len(keys) + 4)]
    for row in board["reported"]:
        cells = [f"{row['metrics'][key]:g}" if key in row["metrics"] else "–" for key in keys]
        setting = row["table"] + (f", {row['audio_id']}" if row["audio_id"] else "")
        lines.append(
            "| " + " | ".join([row["method"], setting, *cells, row["source"]["paper"], row["verified"]]) + " |"
        )
    return lines


COLUMNS = (
    "dataset",
    "size",
    "protocol",
    "method",
    "variant",
    "revision",
    "title",
    "kind",
    "source",
    "device",
    "preset",
    "is_compared",
)
COSTS = ("train_seconds", "train_peak_memory_mb", "gaussians")


def csv_of(board: dict[str, Any]) -> str:
    """A line for each clip of each row, and one for the row's mean (clip "all"), to be compared where is_compared."""
    keys, speeds = list(board["metrics"]), list(board["rows"][0]["speed"]) if board["rows"] else []
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*COLUMNS, "clip", "frames", *keys, "overall_rank", *speeds, *COSTS])
    for row in board["rows"]:
        about = [row[name] for name in COLUMNS]
        meant = _table_of(board, row)["clips"] if row["is_compared"] else [clip["clip"] for clip in row["clips"]]
        frames = sum(clip["frames"] for clip in row["clips"] if clip["clip"] in meant)
        costs = [row["speed"][name] for name in speeds] + [row[name] for name in COSTS]
        writer.writerow([*about, "all", frames, *(row["values"][key] for key in keys), row["overall"], *costs])
        for clip in row["clips"]:
            writer.writerow([*about, clip["clip"], clip["frames"], *(clip["values"][key] for key in keys)])
    return out.getvalue()


def latex_of(board: dict[str, Any]) -> str:
    """A booktabs table for each dataset and size."""
    parts = ["% written by python -m leaderboard report; needs the package booktabs"]
    for (dataset, size), rows in groups(board):
        keys = used_cells(rows, README_CELLS)
        heads = [f"{board['metrics'][key]['title']} {arrow(board['metrics'][key])}" for key in keys]
        lines = [r"\begin{tabular}{lll" + "r" * (len(keys) + 2) + "}", r"\toprule"]
        lines += [_latex(["method", "beside the head", "clips", "rank", *heads, "frames/s"]), r"\midrule"]
        for row in rows:
            cells = [_marked(board, rows, row, key) for key in keys]
            speed = _speed(row["speed"]["render_fps"] if row["kind"] in DRAWN else None)
            about = [name_of(row), composite_of(board, row), clips_of(board, row), rank_of(row)]
            lines.append(_latex(about).removesuffix(r" \\") + " & ")
            lines[-1] += " & ".join([*cells, tex(speed)]) + r" \\"
        lines += [r"\bottomrule", r"\end{tabular}"]
        parts.append("\n".join([f"% {dataset}, {size} px", *lines]))
    return "\n\n".join(parts) + "\n"


def _marked(board: dict[str, Any], rows: list[dict[str, Any]], row: dict[str, Any], key: str) -> str:
    text = tex(value_of(board, row, key))
    return rf"\textbf{{{text}}}" if is_best(rows, row, key) else text


def _latex(cells: list[str]) -> str:
    return " & ".join(map(tex, cells)) + r" \\"
