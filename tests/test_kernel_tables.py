"""Rows shared by kernels and Python: both sides must mean the same places."""

from __future__ import annotations

import re

import numpy as np
import pytest

from live.render.kernels.source import full_source, unit_source
from live.render.kernels.tables import AVATAR, FRAME, LAYER, TABLES, Table, constants

SMALL = Table("SMALL", (("one", 1), ("three", 3), ("two", 2)))


def test_places_follow_one_another() -> None:
    assert SMALL.places == {"one": slice(0, 1), "three": slice(1, 4), "two": slice(4, 6)}
    assert SMALL.size == 6


def test_kernels_see_the_same_places() -> None:
    source = full_source()
    for table in TABLES:
        for part, place in table.places.items():
            assert f"{table.name}_{part.upper()} = {place.start}," in source
        assert f"{table.name}_SIZE = {table.size}\n" in source
    assert source.count(constants()) >= 1


def test_every_part_is_read_by_a_kernel_and_none_is_misspelt() -> None:
    known = {f"{table.name}_{part.upper()}" for table in TABLES for part in (*table.places, "size")}
    source = "".join(unit_source(unit) for unit in ("pose", "openings", "motion_prior", "face_layers"))
    source = source.replace(constants(), "")
    used = set(re.findall(r"\b(?:INDEX|MODEL|AVATAR|FRAME|LAYER)_[A-Z_]+\b", source))
    assert used - known == set()
    unread = {name for name in known - used if not name.endswith("_SIZE")}
    assert unread == set()


def test_filling_a_row() -> None:
    row = np.zeros(SMALL.size, np.float32)
    SMALL.fill(row, three=[[1, 2, 3]], one=4)
    assert row.tolist() == [4, 1, 2, 3, 0, 0]
    with pytest.raises(ValueError, match="takes 2 values, not 3"):
        SMALL.fill(row, two=[1, 2, 3])
    with pytest.raises(KeyError):
        SMALL.fill(row, four=1)


def test_rows_are_small() -> None:
    """What is read by every thread stays in the cache."""
    assert max(4 * table.size for table in (AVATAR, FRAME, LAYER)) < 1024
