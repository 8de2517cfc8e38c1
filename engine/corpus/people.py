"""Who is in the picture. Drawn from a stream of its own, so that no person stands in two splits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.corpus import wardrobe

AGES = {"young": (0.667, 0.72), "middle-aged": (0.74, 0.86), "old": (0.88, 1.0)}  # Anny's age parameter
GREY_SHARE = {"young": 0.0, "middle-aged": 0.15, "old": 0.8}
WRINKLES = {"young": 0.0, "middle-aged": 0.35, "old": 1.0}


@dataclass(frozen=True, kw_only=True, eq=False)
class Person:
    gender: str  # "man" or "woman"
    age: str  # a name in AGES
    phenotype: dict[str, float]  # Anny's parameters, 0..1
    skin: str  # names in wardrobe
    hair: str
    iris: str
    wrinkles: float
    beard: float
    noise_seed: float  # shifts the skin's mottling


def sample_person(rng: np.random.Generator) -> Person:
    gender = str(rng.choice(["man", "woman"]))
    age = str(rng.choice(list(AGES), p=[0.5, 0.3, 0.2]))
    ancestry = str(rng.choice(list(wardrobe.SKIN_OF)))
    shares = rng.uniform(0.0, 0.25, 3)
    shares[list(wardrobe.SKIN_OF).index(ancestry)] = 1.0
    phenotype = {
        "gender": float(rng.uniform(0.0, 0.12) if gender == "man" else rng.uniform(0.88, 1.0)),
        "age": float(rng.uniform(*AGES[age])),
        "muscle": float(rng.uniform(0.3, 0.75)),
        "weight": float(rng.uniform(0.3, 0.75)),
        "height": float(rng.uniform(0.3, 0.7)),
        "proportions": float(rng.uniform(0.2, 0.9)),
        "cupsize": float(rng.uniform(0.2, 0.6)),
        "firmness": float(rng.uniform(0.4, 0.8)),
        **dict(zip(wardrobe.SKIN_OF, map(float, shares), strict=True)),
    }
    grey = rng.random() < GREY_SHARE[age]
    light = ancestry == "caucasian"
    return Person(
        gender=gender, age=age, phenotype=phenotype,
        skin=str(rng.choice(wardrobe.SKIN_OF[ancestry])),
        hair="grey" if grey else str(rng.choice(wardrobe.HAIR_OF[ancestry])),
        iris=str(rng.choice(list(wardrobe.IRIS) if light else ["brown", "dark brown"])),
        wrinkles=WRINKLES[age],
        beard=float(rng.choice([0.0, 0.0, 0.35, 0.8])) if gender == "man" else 0.0,
        noise_seed=float(rng.uniform(0, 50)),
    )  # fmt: skip
