"""The training's one configuration file as typed values."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Stage:
    """A stretch of training; see `config.toml`."""

    name: str
    samples: int
    size: int
    edit: bool
    perceptual: bool
    adversarial: float
    eyes_every: int
    base_every: int
    rate: float = 1.0


@dataclass(frozen=True, slots=True)
class BaseWeights:
    """Loss weights of the base network; `regions`: mouth, eyes, face, everything else."""

    regions: tuple[float, ...]
    displaced: float
    gradient: float
    perceptual: float
    identity: float
    smooth: float
    mask: float


@dataclass(frozen=True, slots=True)
class DetailWeights:
    """Loss weights of a region network; `regions`: opening, its surroundings, the rest of the crop."""

    regions: tuple[float, ...]
    direct: float
    gradient: float
    perceptual: float


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything in the file."""

    pack: Path
    cache: Path
    face_network: str
    folder: Path
    batch: int
    learning_rate: float
    discriminator_rate: float
    ema: float
    threads: int
    bf16: bool
    minutes_between_checks: float
    validation_samples: int
    stages: tuple[Stage, ...]
    base: BaseWeights
    mouth: DetailWeights
    eyes: DetailWeights

    @staticmethod
    def read(path: Path) -> Settings:
        """Parse the file; raises `TypeError` or `KeyError` naming what is missing or unknown."""
        values = tomllib.loads(path.read_text())
        data, run, weights = values["data"], values["run"], values["weights"]
        for part in weights.values():
            part["regions"] = tuple(part["regions"])
        return Settings(
            pack=Path(data["pack"]),
            cache=Path(data["cache"]),
            face_network=data["face_network"],
            folder=Path(run.pop("folder")),
            **run,
            stages=tuple(Stage(**stage) for stage in values["stage"]),
            base=BaseWeights(**weights["base"]),
            mouth=DetailWeights(**weights["mouth"]),
            eyes=DetailWeights(**weights["eyes"]),
        )

    def stage(self, samples: int) -> Stage:
        """The stage that training is in after `samples`."""
        for stage in self.stages:
            if samples < stage.samples:
                return stage
            samples -= stage.samples
        return self.stages[-1]
