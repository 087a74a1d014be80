"""Which of MediaPipe's 478 face landmarks are what. Right and left are the person's own."""

RIGID = [33, 133, 362, 263, 168, 6, 197, 195, 5, 4, 193, 417, 122, 351, 196, 419, 3, 248]
RIGID += [127, 356, 234, 454, 162, 389, 139, 368, 10, 151, 9, 8, 109, 338, 67, 297]
"""Eye corners, nose, temples, forehead: points that an expression hardly moves."""

# Closed polygons, in drawing order.
LIPS_OUTER = [61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146]
LIPS_INNER = [78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95]
RIGHT_EYE = [33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7]
LEFT_EYE = [263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249]
OVAL = [10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377]
OVAL += [152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109]
"""From the hairline over the person's left to the chin, and back."""

CHIN = [152, 148, 377, 176, 400, 199, 200, 18]
"""The lowest point first."""
EYE_CORNERS = [33, 263]
"""The outer ones, right and left: their distance is the face's unit of length."""
INNER_LIP_PAIRS = [(13, 14), (82, 87), (312, 317)]
"""Upper and lower inner lip: in the middle, right and left of it."""
MOUTH_CORNERS = [61, 291]
NOSE_BRIDGE_TO_CHIN = [168, 152]
EYE_OPENINGS = [(33, (160, 144), (158, 153), 133), (362, (385, 380), (387, 373), 263)]
"""Per eye: a corner, upper and lower lid twice, the other corner (Soukupova and Cech 2016)."""

MESH_POINTS = 468
"""The face without the two irises."""
