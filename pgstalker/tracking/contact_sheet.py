"""One picture by which a person can judge a prepared subject at a glance."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pgstalker import media, subject
from pgstalker.tracking import face_model
from pgstalker.tracking.geometry import euler_degrees, project, transform
from pgstalker.types import FPS, Camera, Label

CELL_PX, COLUMNS = 256, 8
PLOT_PX, HEADER_PX, LEGEND_PX = 130, 92, 26
INK, PAPER, GRID, ALARM = (40, 40, 40), (250, 250, 250), (215, 215, 215), (200, 30, 30)
PARTS = {
    Label.TORSO: ("torso", (70, 130, 220)),
    Label.FACE: ("face", (255, 190, 120)),
    Label.HAIR: ("hair", (190, 40, 40)),
    Label.LIPS: ("lips", (255, 60, 200)),
    Label.MOUTH: ("mouth", (255, 240, 40)),
    Label.EYES: ("eyes", (40, 240, 240)),
}
LINES = ((30, 90, 200), (210, 60, 60), (30, 150, 70))


def write_sheet(folder: Path, tracks: subject.SubjectTracks, camera: Camera, manifest: dict) -> None:
    """Write sheet.png: telling frames, what each pixel was taken for, landmarks and pose, and the tracks over time."""
    import cv2

    chosen = telling_frames(tracks, manifest["train_frames"])
    wanted = sorted({index for _, index in chosen})
    images = dict(_pick(folder / subject.FRAMES, wanted))
    labels = dict(_pick(folder / subject.LABELS, wanted, gray=True))
    cells = []
    for name, index in chosen:
        plain = _scaled(images[index])
        _text(plain, f"{name}, {index / FPS:.1f} s", (6, 18))
        cells.append(
            (plain, _scaled(_overlay(images[index], labels[index])), _drawn(images[index], index, tracks, camera))
        )
    rows = [np.hstack(row) for row in zip(*cells, strict=True)]
    sheet = np.vstack([_header(manifest), rows[0], rows[1], _legend(), rows[2], *_plots(tracks, manifest)])
    cv2.imwrite(str(folder / subject.SHEET), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))


def telling_frames(tracks: subject.SubjectTracks, train: int) -> list[tuple[str, int]]:
    """COLUMNS frames (what they show, index) at which preparation fails first."""
    degrees = euler_degrees(tracks.camera_from_head)
    seen = np.where(tracks.valid, 0.0, np.nan)
    middle = len(tracks.valid) // 2
    return [
        ("first", 0),
        ("mouth widest open", int(np.nanargmax(tracks.aperture + seen))),
        ("mouth closed", int(np.nanargmin(tracks.aperture + seen))),
        ("eyes closed", int(np.nanargmax(tracks.blink + seen))),
        ("turned left", int(np.nanargmin(degrees[:, 1] + seen))),
        ("turned right", int(np.nanargmax(degrees[:, 1] + seen))),
        ("head down", int(np.nanargmin(degrees[:, 0] + seen))) if train <= middle else ("middle", middle),
        ("last, held out", len(tracks.valid) - 1),
    ]


def _pick(video: Path, wanted: list[int], *, gray: bool = False):
    for index, image in enumerate(media.read_frames(video, gray=gray)):
        if index in wanted:
            yield index, image


def _scaled(image: np.ndarray) -> np.ndarray:
    import cv2

    return np.ascontiguousarray(cv2.resize(image, (CELL_PX, CELL_PX), interpolation=cv2.INTER_AREA))


def _overlay(image: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Each part in its colour, the background nearly black: what is left out shows at once."""
    colors = np.full((256, 3), 20.0)
    for part, (_, color) in PARTS.items():
        colors[part] = color
    return (0.45 * image + 0.55 * colors[labels]).astype(np.uint8)


def _drawn(image: np.ndarray, index: int, tracks: subject.SubjectTracks, camera: Camera) -> np.ndarray:
    """Landmarks, the head's axes (red to the right, green down, blue out of the face) and the torso's motion."""
    import cv2

    canvas, scale = _scaled(image), CELL_PX / camera.width
    points = tracks.landmarks_px[index, :, :2] * scale
    for ring in (
        face_model.OVAL,
        face_model.RIGHT_EYE,
        face_model.LEFT_EYE,
        face_model.LIPS_OUTER,
        face_model.LIPS_INNER,
    ):
        cv2.polylines(canvas, [np.round(points[ring] * 8).astype(np.int32)], True, (90, 255, 90), 1, cv2.LINE_AA, 3)
    mesh = project(transform(tracks.camera_from_head[index], tracks.head_vertices[face_model.RIGID]), camera) * scale
    for point in mesh:
        cv2.circle(canvas, np.round(point * 8).astype(int).tolist(), 12, (255, 230, 60), -1, cv2.LINE_AA, 3)
    origin = np.array([0.0, 0.0, -6.0])
    ends = origin + np.array([[0, 0, 0], [5, 0, 0], [0, 5, 0], [0, 0, -6]])
    start, *tips = (
        np.round(project(transform(tracks.camera_from_head[index], ends), camera) * scale).astype(int).tolist()
    )
    for tip, color in zip(tips, ((255, 60, 60), (60, 220, 60), (70, 110, 255)), strict=True):
        cv2.line(canvas, start, tip, color, 2, cv2.LINE_AA)
    shift = tracks.torso_motion[index, :2] * CELL_PX
    base = np.array([CELL_PX / 2, 0.93 * CELL_PX])
    cv2.arrowedLine(
        canvas,
        base.astype(int).tolist(),
        np.round(base + 4 * shift).astype(int).tolist(),
        (255, 160, 0),
        2,
        cv2.LINE_AA,
    )
    if not tracks.valid[index]:
        _text(canvas, "not used", (6, 18), ALARM)
    return canvas


def _header(manifest: dict) -> np.ndarray:
    canvas = np.full((HEADER_PX, COLUMNS * CELL_PX, 3), PAPER, np.uint8)
    source, numbers, audio = manifest["source"], manifest["quality"], manifest["audio"]
    crop = manifest["crop"]
    lines = [
        f"{source['name']}  {source['width']}x{source['height']} {source['fps']:g} fps   crop {crop['side']} px at "
        f"({crop['x']}, {crop['y']})   {manifest['frames']} frames = {manifest['frames'] / FPS:.1f} s, "
        f"{manifest['train_frames']} for training",
        f"face seen in {numbers['valid_share']:.0%}   eyes {numbers['eyes_px']:.0f} px apart   brightness "
        f"{numbers['luma']:.0f}   sharpness {numbers['sharpness']:.0f}   "
        f"landmarks within {numbers['landmark_rmse_px']:.2f} px   skin against pose "
        f"{_number(numbers['flow_1_frame_px'])} px in 1 frame, {_number(numbers['flow_5_frames_px'])} px in 5   "
        f"torso {numbers['torso_confidence']:.0%}   camera {_number(manifest['camera_motion_px'])} px   sound lag "
        f"{audio['lag_frames']} frames (confidence {_number(audio['lag_confidence'])})",
    ]
    for row, line in enumerate(lines):
        _text(canvas, line, (10, 24 + 24 * row), INK, 0.55)
    warnings = "   ".join(manifest["warnings"])
    _text(canvas, f"warnings: {warnings}" if warnings else "no warnings", (10, 72), ALARM if warnings else INK, 0.55)
    return canvas


def _legend() -> np.ndarray:
    import cv2

    canvas = np.full((LEGEND_PX, COLUMNS * CELL_PX, 3), PAPER, np.uint8)
    x = 10
    for name, color in PARTS.values():
        cv2.rectangle(canvas, (x, 6), (x + 14, 20), color, -1)
        _text(canvas, name, (x + 20, 18), INK)
        x += 110
    note = "below: landmarks green, pose of the fitted face yellow dots and axes, torso motion orange (x4)"
    _text(canvas, note, (x + 20, 18), INK)
    return canvas


def _plots(tracks: subject.SubjectTracks, manifest: dict) -> list[np.ndarray]:
    pose = euler_degrees(tracks.camera_from_head)
    torso = tracks.torso_motion[:, :2] * 100
    train = manifest["train_frames"]
    return [
        _plot("mouth (eye distances)", {"opening": tracks.aperture, "jaw - 1": tracks.jaw - 1}, train),
        _plot("eyes", {"closed": tracks.blink}, train, low=0, high=1),
        _plot("head (degrees)", dict(zip(("pitch", "yaw", "roll"), (pose - np.median(pose, 0)).T, strict=True)), train),
        _plot(
            "torso (% of the side)", {"x": torso[:, 0], "y": torso[:, 1], "confidence": tracks.torso_confidence}, train
        ),
    ]


def _plot(title: str, series: dict[str, np.ndarray], train: int, low=None, high=None) -> np.ndarray:
    import cv2

    width = COLUMNS * CELL_PX
    canvas = np.full((PLOT_PX, width, 3), PAPER, np.uint8)
    low = min(map(np.min, series.values())) if low is None else low
    high = max(map(np.max, series.values())) if high is None else high
    left, top, bottom = 60, 24, PLOT_PX - 8
    frames = len(next(iter(series.values())))
    x = left + (width - left - 10) * np.arange(frames) / max(frames - 1, 1)
    held_out = int(x[min(train, frames - 1)])
    canvas[top:bottom, held_out:] = (236, 236, 246)
    for second in range(0, frames // FPS + 1, max(1, frames // FPS // 20)):
        mark = int(x[min(second * FPS, frames - 1)])
        cv2.line(canvas, (mark, top), (mark, bottom), GRID, 1)
        _text(canvas, f"{second} s", (mark + 3, bottom - 3), (150, 150, 150), 0.35)
    for value in (low, high):
        _text(canvas, f"{value:.2f}", (6, bottom if value == low else top + 8), INK, 0.38)
    start = left
    _text(canvas, title, (start, 16), INK)
    start += 200
    for color, (name, values) in zip(LINES, series.items(), strict=False):
        y = bottom - (bottom - top) * (np.clip(values, low, high) - low) / max(high - low, 1e-9)
        points = np.round(np.stack([x, y], axis=1) * 8).astype(np.int32)
        cv2.polylines(canvas, [points], False, color, 1, cv2.LINE_AA, 3)
        _text(canvas, name, (start, 16), color)
        start += 110
    _text(canvas, "held out", (held_out + 4, top + 12), (120, 120, 160), 0.38)
    return canvas


def _text(canvas: np.ndarray, text: str, at: tuple[int, int], color=(255, 255, 255), scale: float = 0.45) -> None:
    import cv2

    if color == (255, 255, 255):  # on a photograph: an outline keeps it readable
        cv2.putText(canvas, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, (0, 0, 0), 3, cv2.LINE_AA)
    cv2.putText(canvas, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, color, 1, cv2.LINE_AA)


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f}"
