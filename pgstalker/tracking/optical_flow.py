"""Tracks of skin texture between frames: Lucas-Kanade features on the rigid part of the face.

Landmarks jitter by about half a pixel; skin texture is followed to a tenth. Tracks bind neighbouring frames, which
takes the jitter out of the pose. Tying every frame to distant key frames as well was tried and left out: the flow
residual fell, but on a turning head with highlights the avatars came out worse.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from pgstalker.tracking.face_model import LEFT_EYE, RIGHT_EYE
from pgstalker.tracking.geometry import project, to_head, transform, unproject
from pgstalker.types import Camera

WINDOW_PX, LEVELS = 21, 3
ROUND_TRIP_PX = 0.3
MIN_FEATURES = 8


@dataclass(frozen=True)
class Tracks:
    """M points followed from a frame to another: from_frame, to_frame [M] int; source, target [M, 2] px."""

    from_frame: np.ndarray
    to_frame: np.ndarray
    source: np.ndarray
    target: np.ndarray

    def __len__(self) -> int:
        return len(self.from_frame)

    def __getitem__(self, chosen: slice) -> Tracks:
        return Tracks(self.from_frame[chosen], self.to_frame[chosen], self.source[chosen], self.target[chosen])


@dataclass(frozen=True)
class FaceTracks:
    """Tracks by purpose and gap in frames: those that steady the pose, and those kept apart to judge it with."""

    neighbours: dict[int, Tracks]
    judges: dict[int, Tracks]


@dataclass(frozen=True)
class Surface:
    """Where tracks lie on the face: vertices [M, 3] of the mesh [V, 3] and their weights [M, 3]."""

    tracks: Tracks
    mesh: np.ndarray
    vertices: np.ndarray
    weights: np.ndarray
    camera: Camera

    def head_points(self, poses: np.ndarray) -> np.ndarray:
        """[M, 3] cm: the tracks' sources put back on the head, at the depth of its surface in poses [T, 4, 4]."""
        at = poses[self.tracks.from_frame]
        depth = np.einsum("mi,mvi,mv->m", at[:, 2, :3], self.mesh[self.vertices], self.weights) + at[:, 2, 3]
        return to_head(at, unproject(self.tracks.source, depth, self.camera))


class _Frame:
    """A frame ready for Lucas-Kanade, and its features when asked for."""

    def __init__(self, index: int, gray: np.ndarray, mask: np.ndarray):
        self.index, self.gray, self.mask = index, gray, mask
        self._features: dict[tuple[int, int], np.ndarray] = {}

    def features(self, count: int, spacing_px: int) -> np.ndarray:
        """[N, 1, 2] float32 corners inside the mask, in OpenCV's pixels (centres at whole numbers)."""
        import cv2

        if (count, spacing_px) not in self._features:
            found = cv2.goodFeaturesToTrack(self.gray, count, 0.01, spacing_px, mask=self.mask)
            self._features[count, spacing_px] = np.zeros((0, 1, 2), np.float32) if found is None else found
        return self._features[count, spacing_px]


def follow(source: np.ndarray, target: np.ndarray, points: np.ndarray, guess: np.ndarray | None = None):
    """Lucas-Kanade there and back between gray pictures [H, W]. points, guess [N, 1, 2] float32 (OpenCV pixels).

    Returns the points found [N, 1, 2] and whether each came back to its start [N] bool.
    """
    import cv2

    options = {"winSize": (WINDOW_PX, WINDOW_PX), "maxLevel": LEVELS}
    flags = 0 if guess is None else cv2.OPTFLOW_USE_INITIAL_FLOW
    start = None if guess is None else guess.astype(np.float32).copy()
    found, there, _ = cv2.calcOpticalFlowPyrLK(source, target, points, start, flags=flags, **options)
    back, here, _ = cv2.calcOpticalFlowPyrLK(
        target, source, found, points.copy(), flags=cv2.OPTFLOW_USE_INITIAL_FLOW, **options
    )
    error = np.linalg.norm((back - points).reshape(-1, 2), axis=1)
    return found, (there.ravel() == 1) & (here.ravel() == 1) & (error < ROUND_TRIP_PX)


class FaceTracker:
    """Collects FaceTracks from one pass over the gray frames, holding six frames only."""

    def __init__(self, poses: np.ndarray, mesh: np.ndarray, patch: np.ndarray, camera: Camera):
        """poses [T, 4, 4] start, mesh [V, 3] head frame, patch: indices of the vertices whose skin is rigid."""
        self.poses, self.mesh, self.patch, self.camera = poses, mesh, patch, camera
        seen = project(transform(poses[:, None], mesh[patch][None]), camera)
        low = np.floor(seen.min((0, 1)) - 40).clip(0).astype(int)
        high = np.ceil(seen.max((0, 1)) + 40).clip(1, camera.width).astype(int)
        self.window = (slice(low[1], high[1]), slice(low[0], high[0]))  # the face never leaves it: less to search
        self.offset = low + 0.5  # from OpenCV's pixels in the window to ours

    def collect(self, frames: Iterable[np.ndarray]) -> FaceTracks:
        """frames: gray uint8 [H, W] in order."""
        collected: dict[str, list] = {name: [] for name in ("n1", "n3", "j1", "j5")}
        past: deque[_Frame] = deque(maxlen=6)
        for index, gray in enumerate(frames):
            past.append(self._prepare(index, gray))
            for gap in (1, 3):
                if len(past) > gap:
                    self._follow(past[-1 - gap], past[-1], past[-1 - gap].features(40, 8), collected[f"n{gap}"])
            if index % 5 == 0 and len(past) > 5:
                self._follow(past[0], past[-1], past[0].features(60, 6), collected["j5"])
                self._follow(past[-2], past[-1], past[-2].features(60, 6), collected["j1"])
        joined = {name: _join(parts) for name, parts in collected.items()}
        return FaceTracks({1: joined["n1"], 3: joined["n3"]}, {1: joined["j1"], 5: joined["j5"]})

    def surface(self, tracks: Tracks) -> Surface:
        """The part of the face that each track's source lies on: its three nearest vertices at the start's poses."""
        vertices = np.zeros((len(tracks), 3), np.int32)
        weights = np.zeros((len(tracks), 3))
        for frame in np.unique(tracks.from_frame):
            chosen = np.flatnonzero(tracks.from_frame == frame)
            seen = project(transform(self.poses[frame], self.mesh[self.patch]), self.camera)
            distance = ((tracks.source[chosen][:, None] - seen[None]) ** 2).sum(-1)
            nearest = np.argpartition(distance, 3, axis=1)[:, :3]
            weight = 1 / (np.take_along_axis(distance, nearest, axis=1) + 1)
            vertices[chosen], weights[chosen] = self.patch[nearest], weight / weight.sum(1, keepdims=True)
        return Surface(tracks, self.mesh, vertices, weights, self.camera)

    def _prepare(self, index: int, gray: np.ndarray) -> _Frame:
        return _Frame(index, np.ascontiguousarray(gray[self.window]), self._mask(index)[self.window])

    def _mask(self, index: int) -> np.ndarray:
        """The hull of the rigid patch without the eyes, uint8 [H, W]."""
        import cv2

        mask = np.zeros((self.camera.height, self.camera.width), np.uint8)
        pixels = project(transform(self.poses[index], self.mesh), self.camera)
        cv2.fillConvexPoly(mask, cv2.convexHull(pixels[self.patch].astype(np.float32)).astype(np.int32), 255)
        for ring in (RIGHT_EYE, LEFT_EYE):
            center, radius = pixels[ring].mean(0), 0.8 * np.ptp(pixels[ring, 0])
            cv2.circle(mask, center.astype(int).tolist(), int(radius), 0, -1)
        return mask

    def _follow(self, source: _Frame, target: _Frame, points: np.ndarray, into: list) -> None:
        if len(points) < MIN_FEATURES:
            return
        found, is_good = follow(source.gray, target.gray, points)
        if is_good.sum() < MIN_FEATURES:
            return
        pair = np.full((2, is_good.sum()), [[source.index], [target.index]])
        into.append((pair[0], pair[1], points[is_good, 0] + self.offset, found[is_good, 0] + self.offset))


def _join(parts: list) -> Tracks:
    if not parts:
        return Tracks(np.zeros(0, int), np.zeros(0, int), np.zeros((0, 2)), np.zeros((0, 2)))
    return Tracks(*(np.concatenate(column) for column in zip(*parts, strict=True)))
