"""Index groups of MediaPipe's 478 face landmarks. Left and right are the subject's."""

from __future__ import annotations

from typing import Final

INNER_LIP: Final = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95)
"""Edge of the mouth opening, from the subject's right corner over the upper lip to the left and back."""
OUTER_LIP: Final = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146)
"""Outer edge of the lips, in the same order."""
UPPER_LIP_INNER: Final = INNER_LIP[1:10]
LOWER_LIP_INNER: Final = INNER_LIP[11:]
RIGHT_EYE: Final = (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7)
"""Edge of the right eye's opening, from the outer corner over the upper lid."""
LEFT_EYE: Final = (263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249)
RIGHT_IRIS: Final = (468, 469, 470, 471, 472)
"""Centre first, then the ring."""
LEFT_IRIS: Final = (473, 474, 475, 476, 477)
FACE_OVAL: Final = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
"""Outline, from the top of the forehead clockwise as seen in the image."""

LIPS: Final = INNER_LIP + OUTER_LIP
EYELIDS: Final = RIGHT_EYE + LEFT_EYE
EYE_OUTER_CORNERS: Final = (33, 263)
EYE_INNER_CORNERS: Final = (133, 362)
MOUTH_CORNERS: Final = (61, 291)
NOSE_TIP: Final = 1
