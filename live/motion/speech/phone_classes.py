"""What the network tells apart by ear: phone classes by what the mouth does, shared by all languages."""

from __future__ import annotations

from typing import Final

CLASSES: Final[tuple[str, ...]] = (
    "SIL", "P", "M", "F", "TH", "T", "N", "L", "S", "SH", "K", "NG", "H", "R", "W", "Y",
    "AA", "AE", "AH", "EH", "IH", "IY", "AO", "OW", "UH", "UW", "ER", "OE",
)  # fmt: skip
"""`P` is p and b, `T` t and d, `K` k, g and their fricatives, `OE` the rounded front vowels of German and French."""

INDEX: Final[dict[str, int]] = {name: i for i, name in enumerate(CLASSES)}
SILENCE: Final = INDEX["SIL"]
BILABIAL: Final[tuple[int, int]] = (INDEX["P"], INDEX["M"])
"""Classes during which the lips touch."""
