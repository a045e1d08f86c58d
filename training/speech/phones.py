# ruff: noqa: RUF001 - letters of other scripts are meant
"""From ARPAbet and IPA to the phone classes of `live.motion.speech.phone_classes`."""

from __future__ import annotations

import unicodedata

_ARPABET: dict[str, tuple[str, ...]] = {
    "SIL": ("SIL",), "PAU": ("SIL",), "H#": ("SIL",), "BRTH": ("SIL",),
    "P": ("P",), "B": ("P",), "M": ("M",), "F": ("F",), "V": ("F",), "TH": ("TH",), "DH": ("TH",),
    "T": ("T",), "D": ("T",), "N": ("N",), "L": ("L",), "S": ("S",), "Z": ("S",), "SH": ("SH",), "ZH": ("SH",),
    "CH": ("T", "SH"), "JH": ("T", "SH"), "K": ("K",), "G": ("K",), "NG": ("NG",), "HH": ("H",), "R": ("R",),
    "W": ("W",), "Y": ("Y",), "AA": ("AA",), "AE": ("AE",), "AH": ("AH",), "AX": ("AH",), "EH": ("EH",),
    "IH": ("IH",), "IY": ("IY",), "AO": ("AO",), "UH": ("UH",), "UW": ("UW",), "ER": ("ER",),
    "AY": ("AA", "AA", "IH"), "AW": ("AA", "AA", "UH"), "OY": ("AO", "AO", "IH"), "EY": ("EH", "IH"),
    "OW": ("OW", "OW", "UH"),
}  # fmt: skip

_IPA: dict[str, str] = {
    **dict.fromkeys("pbɓ", "P"), **dict.fromkeys("mɱ", "M"), **dict.fromkeys("fvʋɸβ", "F"), **dict.fromkeys("θð", "TH"),
    **dict.fromkeys("tdɗɾʈɖʔɟc", "T"), **dict.fromkeys("nɲɳ", "N"), **dict.fromkeys("lɭʎɫɬ", "L"),
    **dict.fromkeys("sz", "S"), **dict.fromkeys("ʃʒɕʑʂʐç", "SH"), **dict.fromkeys("kɡgxɣqχʁħʕ", "K"),
    "ŋ": "NG", "N": "NG", "h": "H", "ɦ": "H", **dict.fromkeys("rɹɻɽʀ", "R"), **dict.fromkeys("wʍ", "W"),
    **dict.fromkeys("jʲʝ", "Y"), **dict.fromkeys("aɑɒɐ", "AA"), "æ": "AE", **dict.fromkeys("əʌɜɤᵻɘɵ", "AH"),
    **dict.fromkeys("ɛe", "EH"), **dict.fromkeys("ɪ", "IH"), **dict.fromkeys("iɨ", "IY"), "ɔ": "AO", "o": "OW",
    "ʊ": "UH", **dict.fromkeys("uʉɯ", "UW"), **dict.fromkeys("ɚɝ", "ER"), **dict.fromkeys("yøœʏɥ", "OE"),
}  # fmt: skip


def from_arpabet(name: str) -> tuple[str, ...]:
    """Classes in order, e.g. `AY` is open and then spread; an unknown name is silence."""
    return _ARPABET.get(name.rstrip("012"), ("SIL",))


def from_ipa(name: str) -> tuple[str, ...]:
    """Classes in order for an IPA symbol as espeak-ng names it; empty or unknown = silence."""
    if name.startswith("("):  # a change of language, not a sound
        return ("SIL",)
    letters = [c for c in unicodedata.normalize("NFC", name) if c in _IPA]
    return tuple(_IPA[c] for c in letters) or ("SIL",)
