"""Which of MediaPipe's 478 face landmarks are what."""

RIGID = [33, 133, 362, 263, 168, 6, 197, 195, 5, 4, 193, 417, 122, 351, 196, 419, 3, 248] + [
    127,
    356,
    234,
    454,
    162,
    389,
    139,
    368,
    10,
    151,
    9,
    8,
    109,
    338,
    67,
    297,
]
"""Eye corners, nose, temples, forehead: points that an expression hardly moves."""

LIPS_OUTER = [61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146]
LIPS_INNER = [78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95]
CHIN = [152, 148, 377, 176, 400, 199, 200, 18]
EYE_CORNERS = [33, 263]
"""The outer ones: their distance is the face's unit of length."""

MESH_POINTS = 468
"""The face without the two irises."""
