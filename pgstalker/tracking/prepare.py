"""Portrait video to subject folder: the pipeline.

    probe -> survey (faces, cuts) -> fixed crop -> landmarks + frames.mp4 -> gates -> pose (landmarks, then texture)
          -> labels.mkv -> torso and camera motion -> blink, mouth, audio lag -> tracks.npz, sheet.png, subject.json

Every stage streams: one frame in memory, plus gray frames at half size for the torso. Work happens in a hidden folder
beside the target, which takes the target's name at the very end.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import pgstalker
from pgstalker import measures, media, subject
from pgstalker.errors import SubjectError
from pgstalker.tracking import face_model, quality, survey, sync
from pgstalker.tracking.contact_sheet import write_sheet
from pgstalker.tracking.crop import Crop, choose_crop
from pgstalker.tracking.geometry import euler_degrees
from pgstalker.tracking.head_tracking import HeadTrack, track_head
from pgstalker.tracking.landmarks import FaceLandmarker
from pgstalker.tracking.masks import label_frames
from pgstalker.tracking.pose import portrait_camera
from pgstalker.tracking.torso_tracking import BodyTrack, track_torso
from pgstalker.types import FPS, SAMPLE_RATE_HZ, Camera

log = logging.getLogger(__name__)

Progress = Callable[[str, float], None]
TRAIN_SHARE = (10, 11)
MIN_SIZE, MAX_SIZE = 128, 1024
FRAME_CRF = 12


@dataclass
class _Work:
    """What the stages hand on."""

    source: Path
    folder: Path
    size: int
    progress: Progress
    warnings: list[str] = field(default_factory=list)
    quality: dict[str, float | None] = field(default_factory=dict)

    def report(self, stage: str) -> Callable[[float], None]:
        return lambda fraction: self.progress(stage, min(1.0, fraction))


def prepare(video: str | Path, out: str | Path, size: int = 512, progress: Progress | None = None) -> subject.Subject:
    """Turn a portrait video into the subject folder `out` and return it, loaded.

    progress(stage, fraction) is told how far each stage is. A subject that stood at `out` is replaced at the end.
    Raises MediaError, SubjectError or WeightsError, and leaves nothing behind then.
    """
    video, out = Path(video), Path(out)
    if size % 2 or not MIN_SIZE <= size <= MAX_SIZE:
        raise SubjectError(f"size is {size}; give an even number from {MIN_SIZE} to {MAX_SIZE}")
    if out.exists() and not (out / subject.MANIFEST).is_file() and (out.is_file() or any(out.iterdir())):
        raise SubjectError(f"{out} exists and is no subject folder; choose another --out")
    out.absolute().parent.mkdir(parents=True, exist_ok=True)
    folder = out.absolute().with_name(f".{out.name}.preparing")
    shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed
    folder.mkdir()
    try:
        _fill(_Work(video, folder, size, progress or _silent))
        previous = out.absolute().with_name(f".{out.name}.previous")
        if out.exists():
            shutil.rmtree(previous, ignore_errors=True)  # of a run that was killed
            out.rename(previous)
        folder.rename(out)
        shutil.rmtree(previous, ignore_errors=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return subject.Subject.load(out)


def _fill(work: _Work) -> None:
    name = work.source.name
    info = media.probe(work.source)
    media.check_video(info)
    info.require_audio()
    samples = media.read_audio(work.source, SAMPLE_RATE_HZ)
    quality.check_sound(name, samples)
    with_sound = len(samples) * FPS // SAMPLE_RATE_HZ
    quality.check_length(name, min(with_sound, round(info.duration_s * FPS)))
    crop, start, frames = _choose_part(work, info.require_video(), min(with_sound, int(info.duration_s * FPS) + 1))
    landmarks = _landmarks_and_frames(work, crop, start, frames)
    frames = len(landmarks)
    train = frames * TRAIN_SHARE[0] // TRAIN_SHARE[1]
    work.warnings += quality.check_length(name, frames)
    valid = quality.valid_frames(landmarks, work.size)
    quality.check_valid(name, valid)
    landmarks = _without_gaps(landmarks, valid)
    camera = portrait_camera(work.size)
    head = _track_head(work, landmarks, valid, train, camera)
    valid &= np.abs(euler_degrees(head.poses)[:, 1]) <= quality.MAX_YAW_DEG
    _write_labels(work, landmarks)
    body = track_torso(work.folder, landmarks, train, camera, work.report("torso"))
    work.warnings += quality.check_camera(body.camera_motion_px, work.size) + body.warnings
    tracks = _gather(landmarks, valid, train, head, body)
    tracks.save(work.folder / subject.TRACKS)
    lag = _write_sound(work.folder / subject.AUDIO, samples[start * SAMPLE_RATE_HZ // FPS :], tracks, train)
    work.quality |= {
        "valid_share": float(valid.mean()),
        "eyes_px": float(np.median(face_model.interocular(landmarks[valid][..., :2]))),
        "torso_confidence": float(body.confidence.mean()),
    }
    manifest = {
        "source": _describe(work.source, info),
        "camera": vars(camera),
        "frames": frames,
        "train_frames": train,
        "crop": {"x": crop.x, "y": crop.y, "side": crop.side, "start_frame": start},
        "audio": lag.as_dict(),
        "torso_tracked": body.is_tracked,
        "torso_pivot": body.pivot,
        "camera_motion_px": body.camera_motion_px,
        "quality": {key: value if value is None else round(value, 4) for key, value in work.quality.items()},
        "warnings": work.warnings,
        "created_by": f"pgstalker {pgstalker.__version__}",
    }
    work.progress("contact sheet", 0.0)
    write_sheet(work.folder, tracks, camera, manifest)
    subject.write_manifest(work.folder, manifest)
    work.progress("contact sheet", 1.0)


def _choose_part(work: _Work, video: media.VideoStream, frames: int) -> tuple[Crop, int, int]:
    """The square and the stretch of the source to use: (crop, first frame, number of frames) at 25 fps."""
    name = work.source.name
    faces = survey.sample_faces(work.source, frames, work.report("looking for the face"))
    work.warnings += quality.check_faces(name, faces)
    cuts = survey.find_cuts(work.source, faces)
    start, count = survey.longest_scene(cuts, frames)
    if cuts:
        message = "scene cut at t=" + ", ".join(f"{cut / FPS:.2f} s" for cut in cuts)
        if count < quality.MIN_SECONDS * FPS:
            raise SubjectError(f"{message} in {name}; give at least {quality.MIN_SECONDS:.0f} s without a cut")
        work.warnings.append(f"{message}: only {start / FPS:.1f} to {(start + count) / FPS:.1f} s are used")
    chosen = faces[-(-start // survey.SAMPLE_EVERY) : (start + count) // survey.SAMPLE_EVERY]
    if not any(chosen):
        raise SubjectError(f"no face found in {name} between {start / FPS:.1f} and {(start + count) / FPS:.1f} s")
    crop = choose_crop(np.stack([sample[0] for sample in chosen if sample]), video.width, video.height, work.size)
    work.warnings += quality.check_crop(crop.side)
    return crop, start, count


def _landmarks_and_frames(work: _Work, crop: Crop, start: int, frames: int) -> np.ndarray:
    """Write frames.mp4 and return its landmarks [T, 478, 3] float64 px, NaN where no face is found."""
    report, found, pictures = work.report("landmarks"), [], []
    square = None if crop.side == work.size and (crop.x, crop.y) == (0, 0) else crop.box()
    images = media.read_frames(
        work.source, fps=FPS, crop=square, size=(work.size, work.size), start=start, count=frames, scale_flags="lanczos"
    )
    writer = media.VideoWriter(work.folder / subject.FRAMES, work.size, work.size, crf=FRAME_CRF)
    with FaceLandmarker() as landmarker, writer:
        for image in images:
            writer.write(image)
            faces = landmarker.track(image)
            found.append(faces[0] if faces else np.full((478, 3), np.nan, np.float32))
            if faces and len(found) % survey.SAMPLE_EVERY == 0:
                pictures.append(quality.luma_and_sharpness(image, faces[0], 512 / work.size))
            report(len(found) / frames)
    landmarks = np.stack(found).astype(np.float64)
    if pictures:
        luma, sharpness = np.median(pictures, axis=0)
        work.warnings += quality.check_picture(luma, sharpness)
        work.quality |= {"luma": float(luma), "sharpness": float(sharpness)}
    return landmarks


def _without_gaps(landmarks: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """landmarks [T, 478, 3] with frames that are not valid interpolated from their neighbours."""
    frames, known = np.arange(len(landmarks)), np.flatnonzero(valid)
    flat = landmarks.reshape(len(landmarks), -1)
    filled = np.stack([np.interp(frames, known, column[known]) for column in flat.T], axis=1)
    return np.where(valid[:, None], flat, filled).reshape(landmarks.shape)


def _track_head(work: _Work, landmarks: np.ndarray, valid: np.ndarray, train: int, camera: Camera) -> HeadTrack:
    head = track_head(work.folder / subject.FRAMES, landmarks, valid, train, camera, work.report("head pose"))
    work.warnings += quality.check_pose(euler_degrees(head.poses)[valid])
    quality.check_flow(head.quality["flow_1_frame_px"], work.size)
    work.quality |= head.quality
    return head


def _gather(
    landmarks: np.ndarray, valid: np.ndarray, train: int, head: HeadTrack, body: BodyTrack
) -> subject.SubjectTracks:
    return subject.SubjectTracks(
        camera_from_head=head.poses,
        landmarks_px=landmarks.astype(np.float32),
        valid=valid,
        blink=_blink(landmarks, valid, train),
        aperture=measures.lip_aperture(landmarks).astype(np.float32),
        mouth_width=measures.mouth_width(landmarks).astype(np.float32),
        jaw=measures.jaw_opening(landmarks).astype(np.float32),
        torso_motion=body.motion,
        torso_confidence=body.confidence,
        head_vertices=head.mesh.astype(np.float32),
        head_triangles=face_model.canonical_triangles(),
    )


def _write_labels(work: _Work, landmarks: np.ndarray) -> None:
    report = work.report("masks")
    images = media.read_frames(work.folder / subject.FRAMES)
    with media.VideoWriter(work.folder / subject.LABELS, work.size, work.size, codec="ffv1", gray=True) as writer:
        for labels in label_frames(images, landmarks):
            writer.write(labels)
            report(writer.frames / len(landmarks))


def _blink(landmarks: np.ndarray, valid: np.ndarray, train: int) -> np.ndarray:
    """[T] float32: 0 at the training frames' median eye opening, 1 at 40 % of it."""
    opening = measures.eye_aspect_ratio(landmarks)
    usual = np.median(opening[:train][valid[:train]])
    return np.clip((1 - opening / usual) / 0.6, 0, 1).astype(np.float32)


def _write_sound(path: Path, samples: np.ndarray, tracks: subject.SubjectTracks, train: int) -> sync.Lag:
    """Write the sound [S] of exactly the tracked frames, moved by the mouth's lag (of the training part) if certain."""
    mouth = np.stack([tracks.aperture, tracks.mouth_width, tracks.jaw], axis=1)[:train]
    lag = sync.measure_lag(samples[: train * SAMPLE_RATE_HZ // FPS], mouth)
    wanted = len(tracks.valid) * SAMPLE_RATE_HZ // FPS
    shift = lag.applied_frames * SAMPLE_RATE_HZ // FPS
    moved = np.concatenate([np.zeros(max(shift, 0), np.float32), samples[max(-shift, 0) :]])[:wanted]
    media.write_wav(path, np.pad(moved, (0, wanted - len(moved))), SAMPLE_RATE_HZ)
    return lag


def _describe(source: Path, info: media.MediaInfo) -> dict:
    return {
        "name": source.name,
        "sha256": subject.sha256_of(source),
        "width": info.video.width,
        "height": info.video.height,
        "fps": round(info.video.fps, 3),
        "seconds": round(info.duration_s, 3),
    }


def _silent(stage: str, fraction: float) -> None:
    """Report to nobody."""
