import numpy as np

from pgstalker.tracking import face_model, masks
from pgstalker.tracking.masks import Label, label, polygon
from tests.tracking.faces import face_landmarks

SIZE = 512


def person_and_hair():
    """A head over shoulders, with hair on top; and a smaller second person at the edge."""
    rows, columns = np.mgrid[:SIZE, :SIZE] + 0.5
    head = ((columns - 256) / 125) ** 2 + ((rows - 240) / 150) ** 2 < 1
    person = head | ((rows > 370) & (abs(columns - 256) < 200))
    hair = head & (rows < 170)
    stranger = (columns > 490) & (rows < 60)
    return (person | stranger).astype(np.float32), hair.astype(np.float32)


def test_each_part_is_where_it_was_drawn():
    found = label(*person_and_hair(), face_landmarks())
    assert found.dtype == np.uint8
    for part, (x, y) in {
        Label.BACKGROUND: (30, 100), Label.TORSO: (256, 480), Label.FACE: (256, 270), Label.HAIR: (256, 110),
        Label.MOUTH: (256, 312), Label.LIPS: (256, 299), Label.EYES: (212, 218),
    }.items():  # fmt: skip
        assert found[y, x] == part, part.name
    assert found[20, 505] == Label.BACKGROUND  # the stranger
    assert found[260, 140] == Label.FACE  # an ear: person beside the oval


def test_closed_lips_leave_no_mouth():
    points = face_landmarks()
    points[face_model.LIPS_INNER, 1] = 312
    assert not (label(*person_and_hair(), points) == Label.MOUTH).any()


def test_polygons_are_exact_at_half_pixels():
    points = np.zeros((478, 3))
    points[[0, 1, 2, 3], :2] = [[10, 10], [20, 10], [20, 30], [10, 30]]
    drawn = polygon(points, np.array([0, 1, 2, 3]), (64, 64))
    rows, columns = np.nonzero(drawn)
    # Pixel centres at +0.5: columns 10 .. 19 and rows 10 .. 29.
    assert drawn.sum() == 200
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == (10, 19, 10, 29)


def test_labels_come_one_per_frame_with_flicker_taken_out(monkeypatch):
    person, hair = person_and_hair()
    flicker = person.copy()
    flicker[420:440, 250:270] = 0

    class Fake:
        def __init__(self, pictures):
            self.pictures, self.is_closed = list(pictures), False

        def probability(self, image):
            return self.pictures.pop(0)

        def close(self):
            self.is_closed = True

    people = Fake([person, person, flicker, person, person])
    hairs = Fake([hair] * 3)  # every second frame
    monkeypatch.setattr(masks, "person_segmenter", lambda: people)
    monkeypatch.setattr(masks, "hair_segmenter", lambda: hairs)
    frames = [np.zeros((SIZE, SIZE, 3), np.uint8)] * 5
    found = list(masks.label_frames(frames, np.stack([face_landmarks()] * 5)))
    assert len(found) == 5
    assert all((one == found[0]).all() for one in found)
    assert people.is_closed and hairs.is_closed and not hairs.pictures
