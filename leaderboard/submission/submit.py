"""A submission is checked rule by rule before anybody looks at its figures, and shown where it would stand.

method.json                                       what the method is (schema pgstalker-description/1)
run.json                                          who, when, and sha256 of every file (pgstalker-submission/1)
records/<dataset>/<clip>/<protocol>.json, .npz    what `score` or the runner wrote
predictions/<dataset>/<clip>/<protocol>.mkv       the frames that were scored, lossless

lint(zip) -> [Check]     preview(zip, results) -> rows, the submission's among them     accept(zip, results) -> records
"""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from leaderboard.inputs import RESAMPLED
from leaderboard.metrics import cells
from leaderboard.places import RESULTS, WORK
from leaderboard.protocol import VERSION, Protocol
from leaderboard.records import MOST_BYTES, SCHEMA, find_records, incoherent, read_record, write_record
from leaderboard.running.references import REFERENCES
from leaderboard.schema import load, validate
from leaderboard.submission.archive import unpack
from pgstalker.errors import ConfigError, MediaError
from pgstalker.files import replacing
from pgstalker.media import check_video, probe
from pgstalker.media.limits import MAX_VIDEO_S
from pgstalker.subject import sha256_of

log = logging.getLogger(__name__)
METHOD, RUN, RECORDS, PREDICTIONS = "method.json", "run.json", "records", "predictions"
VIDEOS = (".mkv", ".avi", ".mp4", ".mov")
SCHEMA_ERROR, SHA_ERROR, DUPLICATE_ERROR = "E-SUB-SCHEMA", "E-SUB-SHA", "E-SUB-DUP"
MOST_FRAMES = MAX_VIDEO_S * 60
"""Of a prediction: more than the longest video that is taken has, whatever its container says."""
FACTS = tuple(load("pgstalker-eval/1")["properties"]["method"]["properties"])
"""What a record may say of its method; how it is called and described is for method.json to say."""
OURS = ("media", "is_redistributable")
"""What a record says of its clip that is not for others to say: a path among our files, and what may ship."""
NOT_LOOKED_AT = "not looked at: "


@dataclass(frozen=True)
class Check:
    """One rule. error is the rule's own id where it is not kept, reason says why or what was found."""

    rule: str
    is_met: bool
    reason: str
    error: str | None = None


@dataclass(frozen=True)
class Scored:
    """One record of a submission. place: dataset/clip/protocol."""

    place: str
    record: dict[str, Any]
    series: dict[str, np.ndarray]
    prediction: Path | None


@dataclass
class Submission:
    """A submission that lies unpacked in a folder. is_own: it was packed from what the board's own runner measured."""

    folder: Path
    is_own: bool = False
    names: list[str] = field(default_factory=list)

    @cached_property
    def method(self) -> dict[str, Any]:
        return self._described(METHOD, "pgstalker-description/1")

    @cached_property
    def run(self) -> dict[str, Any]:
        return self._described(RUN, "pgstalker-submission/1")

    def _described(self, name: str, schema: str) -> dict[str, Any]:
        try:
            if (self.folder / name).stat().st_size > MOST_BYTES:
                raise ValueError("it is too large")
            content = json.loads((self.folder / name).read_text("utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise ConfigError(f"{name} cannot be read ({type(error).__name__}); pack it again") from error
        if not isinstance(content, dict) or content.get("schema") != schema:
            raise ConfigError(f"{name} is not of the schema {schema}; pack it again")
        try:
            validate(content)
        except ConfigError as error:
            raise ConfigError(f"{name}: {error}") from error
        return content

    @cached_property
    def scored(self) -> list[Scored]:
        """Every record. Raises ConfigError for one that does not fit its schema."""
        found = []
        for name in self.names:
            path = self.folder / name
            if not name.startswith(f"{RECORDS}/") or path.suffix != ".json":
                continue
            place = name.removeprefix(f"{RECORDS}/").removesuffix(".json")
            try:
                record, series = read_record(path)
            except ConfigError as error:
                raise ConfigError(f"{name}: {str(error).replace(str(path), 'it')}") from error
            beside = [self.folder / f"{PREDICTIONS}/{place}{suffix}" for suffix in VIDEOS]
            found.append(Scored(place, record, series, next((path for path in beside if path.is_file()), None)))
        return found


# ---- the rules: each yields what is wrong


def layout(submission: Submission, results: Path) -> Iterator[str]:
    """method.json, run.json, records and their predictions are there, and nothing else."""
    names = set(submission.names)
    for name in (METHOD, RUN):
        if name not in names:
            yield f"{name} is missing; start from the zip of: leaderboard submit --example"
    records = {name for name in names if name.startswith(f"{RECORDS}/") and name.endswith(".json")}
    if not records:
        yield f"there is no record; put records/DATASET/CLIP/PROTOCOL.json into {RECORDS}/"
    known = {METHOD, RUN} | records
    for name in sorted(records):
        place = name.removeprefix(f"{RECORDS}/").removesuffix(".json")
        if place.count("/") != 2:
            yield f"{name} is not records/DATASET/CLIP/PROTOCOL.json; move it"
        beside = names & {f"{PREDICTIONS}/{place}{suffix}" for suffix in VIDEOS}
        if not beside:
            yield f"{name} has no prediction; put it as {PREDICTIONS}/{place}.mkv"
        known |= beside | {f"{RECORDS}/{place}.npz"}
    if foreign := sorted(names - known):
        yield f"{foreign[0]} does not belong there ({len(foreign)} such); leave it out"


def schema(submission: Submission, results: Path) -> Iterator[str]:
    """method.json, run.json and every record fit their schemas."""
    for look in (lambda: submission.method, lambda: submission.run, lambda: submission.scored):
        try:
            look()
        except ConfigError as error:
            yield str(error)


def hashes(submission: Submission, results: Path) -> Iterator[str]:
    """run.json vouches for every file, each record for its prediction, and the truth is the board's own."""
    vouched = submission.run["files"]
    for name in submission.names:
        if name == RUN:
            continue
        if name not in vouched:
            yield f"run.json has no sha256 of {name}; pack it again"
        elif sha256_of(submission.folder / name) != vouched[name]:
            yield f"{name} is not the file that run.json vouches for (its sha256 differs); pack it again"
    if missing := sorted(set(vouched) - set(submission.names)):
        yield f"run.json vouches for {missing[0]}, which is not there; pack it again"
    truths = _truths(results)
    for scored in submission.scored:
        claimed = scored.record["inputs"]["prediction"]["sha256"]
        if scored.prediction is not None and sha256_of(scored.prediction) != claimed:
            yield f"{scored.place}: the record was made of another video than the prediction; score it again"
        if (told := _truth_of(scored.record)) is None:
            continue
        of_clip = {key: digests for key, digests in truths.items() if key.clip == told[0].clip}
        if told[1] in of_clip.get(told[0], set()) or not of_clip:
            continue
        other = next((key for key, digests in of_clip.items() if told[1] in digests), None)
        if other is None:
            yield f"{scored.place}: its truth is not the board's (other frames); score against the dataset's own clip"
        else:
            board, says = (f"one frame in {key.stride} at {key.size[0]} px" for key in (other, told[0]))
            yield f"{scored.place}: its truth is the board's of {board}, and it says {says}; see: leaderboard truth"


class TruthKey(NamedTuple):
    """Whose frames a truth shows. clip: dataset/clip; size: width and height in px; stride: every how many frames."""

    clip: str
    size: tuple[int, ...]
    stride: int


def truths_of(results: Path) -> dict[str, set[str]]:
    """dataset/clip to the digests of the truths that the board's records were scored against."""
    found: dict[str, set[str]] = {}
    for key, digests in _truths(results).items():
        found.setdefault(key.clip, set()).update(digests)
    return found


def _truths(results: Path) -> dict[TruthKey, set[str]]:
    found: dict[TruthKey, set[str]] = {}
    for _, record in _kept(results):
        if (told := _truth_of(record)) is not None:
            found.setdefault(told[0], set()).add(told[1])
    return found


def _truth_of(record: dict[str, Any]) -> tuple[TruthKey, str] | None:
    """The truth of a record, and the digest of its frames."""
    clip, truth = record["clip"], record["inputs"]["truth"]
    key = TruthKey(f"{clip.get('dataset')}/{clip.get('id')}", tuple(clip["size"]), clip.get("stride", 1))
    return None if truth is None else (key, truth["frame_md5"])


def _kept(results: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """What is on the board, measured or submitted; a damaged record is told and passed over."""
    for path in find_records(results):
        try:
            content = json.loads(path.read_text("utf-8"))
            validate(content)
        except (ConfigError, ValueError, RecursionError) as error:
            log.warning("%s is no record (%s); its cell is blank", path, error)
            continue
        if content["schema"] == SCHEMA:
            yield path, content


def counts(submission: Submission, results: Path) -> Iterator[str]:
    """Predictions have the frames that the records were made of, at the size that they say."""
    from leaderboard.inputs import open_sides, survey

    for scored in submission.scored:
        told, video = scored.record["counts"]["n_pred"], scored.record["inputs"]["prediction"]
        if scored.prediction is None:
            continue
        try:
            check_video(probe(scored.prediction))
            side, _ = open_sides(scored.prediction, None, resample=False)
            found = survey(side, None, most=min(told, MOST_FRAMES) + 1)
        except MediaError as error:
            yield f"{scored.place}: {error}"
            continue
        if found.frames > MOST_FRAMES:
            yield f"{scored.place}: the prediction has more than {MOST_FRAMES} frames; cut it"
        elif found.frames != told:
            has = f"more than {told}" if found.frames > told else found.frames
            yield f"{scored.place}: the prediction has {has} frames, the record says {told}"
        elif found.frame_md5 != video["frame_md5"]:
            yield f"{scored.place}: the prediction shows other frames than the record was made of"
        elif list(side.size) != scored.record["clip"]["size"]:
            size = "x".join(map(str, scored.record["clip"]["size"]))
            yield f"{scored.place}: the prediction is {side.shape}, the record says {size} px; score it as it is"
        elif (used := scored.record["counts"]["n_used"]) > told:
            yield f"{scored.place}: {used} frames were judged of {told}; score it again"


def values(submission: Submission, results: Path) -> Iterator[str]:
    """Figures are known ones, declared, within bounds and computed as here, and follow from the per-frame values."""
    known = cells()
    for scored in submission.scored:
        for key, cell in scored.record["metrics"].items():
            if key not in known:
                yield f"{scored.place}: {key} is no metric of this version; score it again"
            elif cell["status"] == "ok":
                yield from (f"{scored.place}: {line}" for line in _undeclared(key, cell))
        yield from (f"{scored.place}: {line}" for line in incoherent(scored.record, scored.series))


def _undeclared(key: str, cell: dict[str, Any]) -> Iterator[str]:
    """What of a cell is not as this version's metric declares it."""
    metric, figure, region = cells()[key]
    own = metric.implementation()
    if cell["impl"] != own and "@absent:" not in own:
        yield f"{key} was computed by {cell['impl']}, here by {own}; score it again"
    for name, declared in (("unit", figure.unit), ("direction", figure.direction), ("region", region)):
        if cell[name] != declared:
            yield f"{key} has the {name} {cell[name]!r}, here {declared!r}; score it again"
    low, high = figure.bounds
    if not (low is None or cell["value"] >= low) or not (high is None or cell["value"] <= high):
        yield f"{key} is {cell['value']:g}, outside [{low}, {high}]"
    weights = cell["weights_sha256"] or "unknown"
    if metric.is_published and not (metric.is_published(weights) and cell["details"].get("is_published_file", True)):
        yield (
            f"{key} was computed with weights (sha256 {weights[:12]}) that are not the published file; score it again "
            "with that, or without it: a blank cell is taken"
        )


def protocol(submission: Submission, results: Path) -> Iterator[str]:
    """Every record names the protocol, dataset and clip of its place, in the version that this board ranks."""
    for scored in submission.scored:
        dataset, clip, name = scored.place.split("/")
        told, where = scored.record["protocol"], scored.record["clip"]
        if told["version"] != VERSION:
            yield f"{scored.place}: protocol version {told['version']}, this board has {VERSION}; score it again"
        elif Protocol(told["setting"], told["composite"], told["codec"]).id != told["id"] or told["id"] != name:
            yield f"{scored.place}: the record's protocol is {told['id']}; its file must bear that name"
        if (where.get("dataset"), where.get("id")) != (dataset, clip):
            yield f"{scored.place}: the record is of {where.get('dataset')}/{where.get('id')}; move it"
        if scored.record["method"]["id"] != submission.method["id"]:
            yield f"{scored.place}: the record is of {scored.record['method']['id']}, method.json of another"
        if (told["setting"] == "self") != (scored.record["inputs"]["truth"] is not None):
            yield f"{scored.place}: a self-driven record has a truth and a cross-driven one has none"
        for line in scored.record["warnings"]:
            if RESAMPLED in line:
                yield f"{scored.place}: {line}; render it at the truth's size and rate, and score it without --resample"
        if (starts := where["starts"]) != [0, 0]:
            yield f"{scored.place}: it was shifted (starts {starts[0]}, {starts[1]}); score it without --align"
        used, true = scored.record["counts"]["n_used"], scored.record["counts"]["n_gt"]
        if true is not None and abs(used - true) > 1:
            yield f"{scored.place}: {used} of the truth's {true} frames were judged; score all, without --cut"


def duplicates(submission: Submission, results: Path) -> Iterator[str]:
    """No video stands for two clips or is the truth, no name is this program's, and nothing is on the board already."""
    from pgstalker.method import discover

    seen: dict[str, str] = {}
    if not submission.is_own and submission.method["id"] in {*discover(), *REFERENCES}:
        yield f"{submission.method['id']} is a method of this program; give yours an id of its own in method.json"
    truths = truths_of(results)
    for scored in submission.scored:
        video = scored.record["inputs"]["prediction"]["frame_md5"]
        clip = scored.place.rpartition("/")[0]
        if seen.setdefault(video, clip) != clip:
            yield f"{scored.place} shows the same frames as {seen[video]}; give each clip its own"
        own_truth = scored.record["inputs"]["truth"]
        shown = truths.get(clip, set()) | ({own_truth["frame_md5"]} if own_truth else set())
        if video in shown and not (submission.is_own and submission.method["id"] in REFERENCES):
            yield f"{scored.place} shows the truth's own frames; submit what the method rendered"
    method, revision = submission.method["id"], submission.run["revision"]
    own = results / "measured" / method / revision
    on_board = not submission.is_own and bool(find_records(results, f"{method}/{revision}/*/*/*", ("measured",)))
    kept = {
        record["inputs"]["prediction"]["frame_md5"]: path
        for path, record in _kept(results)
        if not (submission.is_own and path.is_relative_to(own))
    }
    for scored in submission.scored:
        if on_board or (results / "submitted" / method / revision / f"{scored.place}.json").exists():
            yield f"{scored.place}: the board has this method and revision already; submit under another revision"
        elif (other := kept.get(scored.record["inputs"]["prediction"]["frame_md5"])) is not None:
            yield f"{scored.place}: the board has these very frames as {other.relative_to(results).parts[1]}"


Rule = Callable[[Submission, Path], Iterator[str]]
RULES: dict[str, tuple[Rule, str]] = {
    "layout": (layout, SCHEMA_ERROR),
    "schema": (schema, SCHEMA_ERROR),
    "hashes": (hashes, SHA_ERROR),
    "counts": (counts, SHA_ERROR),
    "values": (values, SCHEMA_ERROR),
    "protocol": (protocol, SCHEMA_ERROR),
    "duplicates": (duplicates, DUPLICATE_ERROR),
}
NEEDED_BY_ALL = ("archive", "layout", "schema")
"""While one of these is not met, the rules after it have nothing to look at."""


def lint(path: str | Path, results: Path = RESULTS, is_own: bool = False) -> list[Check]:
    """Every rule, met or not, in a fixed order; the zip is trusted in nothing. results: the board's folder. is_own: it
    was packed from what the runner measured there, which is then no duplicate."""
    with tempfile.TemporaryDirectory(prefix="pgstalker-submission-") as scratch:
        return _lint(Path(path), Path(scratch), results, is_own)[0]


def _lint(path: Path, scratch: Path, results: Path, is_own: bool = False) -> tuple[list[Check], Submission]:
    checks, submission = [], Submission(scratch, is_own)
    try:
        submission.names = unpack(path, scratch)
        checks.append(Check("archive", True, f"{len(submission.names)} files"))
    except ConfigError as error:
        checks.append(Check("archive", False, str(error), SCHEMA_ERROR))
    for name, (rule, code) in RULES.items():
        broken = next((check.rule for check in checks if check.rule in NEEDED_BY_ALL and not check.is_met), None)
        if broken is not None:
            checks.append(Check(name, False, f"{NOT_LOOKED_AT}mend '{broken}' first"))
            continue
        wrong = list(rule(submission, results))
        told = f"{wrong[0]} (and {len(wrong) - 1} more)" if len(wrong) > 1 else "".join(wrong)
        kept = " ".join((rule.__doc__ or "").split())
        checks.append(Check(name, not wrong, told or kept, code if wrong else None))
    return checks, submission


def preview(path: str | Path, results: Path = RESULTS, is_own: bool = False) -> list[dict[str, Any]]:
    """Where a submission would stand: the board's rows of the same dataset, protocol and size with its own (is_own)
    among them, ranked as the board ranks; best first.

    Raises ConfigError, with the rule, for a submission that lint does not pass."""
    from leaderboard.submission.standing import standing

    with _passed(path, results, is_own) as submission:
        return standing(submission, results)


def accept(
    path: str | Path, results: Path = RESULTS, work: Path = WORK, datasets: Mapping[str, str] | None = None
) -> list[Path]:
    """Unpack a submission to results/submitted/METHOD/REVISION/DATASET/CLIP/PROTOCOL.json and .npz, from where the
    board takes it, with method.json beside; the predictions stay in the zip, whose sha256 each record then bears.

    Where a clip is at hand what is cheap is scored again first: it is prepared in `work`; datasets say what to ask for
    to find one by its id. Returns the records' paths. Raises ConfigError, with the rule, for one that lint does not
    pass, or whose figures are not those of its frames."""
    from leaderboard.running.tasks import Places
    from leaderboard.submission.rescoring import unfounded

    digest = sha256_of(path)
    with _passed(path, results) as submission:
        if wrong := next(unfounded(submission, Places(work, results), datasets), None):
            raise ConfigError(f"{SHA_ERROR}: scored again: {wrong}")
        about, run, written = submission.method, submission.run, []
        folder = results / "submitted" / about["id"] / run["revision"]
        for scored in submission.scored:
            operator = {"generated_by": run["generated_by"], "evaluated_by": run.get("evaluated_by")}
            record = scored.record | {"source": "submitted"}
            record["clip"] = {name: told for name, told in record["clip"].items() if name not in OURS}
            record["operator"] = operator | record.get("operator", {}) | {"submission_sha256": digest}
            record["method"] = {name: told for name, told in record["method"].items() if name in FACTS}
            record["method"] |= {name: about[name] for name in ("id", "title", "kind")}
            record["method"] |= {"revision": run["revision"], "size": record["clip"]["size"][0]}
            record["method"] |= {name: about[name] for name in ("paper", "code", "differences") if name in about}
            written.append(folder / f"{scored.place}.json")
            write_record(record, dict(scored.series), written[-1])
        with replacing(folder / METHOD) as temporary:
            temporary.write_bytes((submission.folder / METHOD).read_bytes())
    return written


@contextmanager
def _passed(path: str | Path, results: Path, is_own: bool = False) -> Iterator[Submission]:
    """Unpacked, for as long as the block lasts. Raises ConfigError, with the rule, for one that lint does not pass."""
    with tempfile.TemporaryDirectory(prefix="pgstalker-submission-") as scratch:
        checks, submission = _lint(Path(path), Path(scratch), results, is_own)
        if wrong := [check for check in checks if not check.is_met]:
            raise ConfigError(f"{wrong[0].error}: {wrong[0].rule}: {wrong[0].reason}")
        yield submission
