"""The colours and lights of a picture."""

from __future__ import annotations

import numpy as np

from engine.corpus import wardrobe
from engine.corpus.raster import CLOTH, EYE, FRAME, HAIR, HAT, OBJECT, SKIN, TROUSERS, Look
from engine.corpus.scene import Scene

SCLERA, FRAMES = np.full(3, 0.75), np.full(3, 0.012)


def sample_look(scene: Scene, rng: np.random.Generator) -> Look:
    """Soft daylight or lamp light from a side, its fill from the other, a rim from behind."""
    person, outfit = scene.person, scene.outfit
    side = float(rng.choice([-1.0, 1.0]))
    warmth = rng.uniform(-0.06, 0.08)
    tint = np.array([1 + warmth, 1.0, 1 - warmth])
    colours = _colours(scene, rng)
    skin, hair = colours[SKIN], colours[HAIR]
    brows = np.array(
        [*hair * (0.45 if person.hair == "grey" else 0.5), 0.6 if person.hair == "blond" else 0.85]
    )
    trim = wardrobe.linear(wardrobe.SHIRTS[outfit.trim])
    return Look(
        colours=colours, lips=_lips(skin, person.gender), iris=wardrobe.linear(wardrobe.IRIS[person.iris]),
        brows=brows, trim=np.array([*trim, wardrobe.PATTERNS.index(outfit.pattern)]),
        key_dir=_unit(side * rng.uniform(0.3, 0.8), -rng.uniform(0.45, 0.9), -rng.uniform(0.7, 1.1)),
        key=tint * rng.uniform(1.15, 1.45),
        fill_dir=_unit(-side * rng.uniform(0.6, 1.0), -0.15, -0.6), fill=(2 - tint) * rng.uniform(0.28, 0.45),
        rim_dir=_unit(-side * rng.uniform(0.5, 0.9), -0.5, 0.75), rim=np.ones(3) * rng.uniform(0.35, 0.7),
        ambient=np.ones(3) * rng.uniform(0.42, 0.55),
        wrinkles=person.wrinkles, beard=person.beard, seed=person.noise_seed,
    )  # fmt: skip


def _colours(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """(8, 3) linear RGB by material."""
    person, outfit, held = scene.person, scene.outfit, scene.hands[0].held_colour
    out = np.zeros((8, 3))
    out[SKIN] = wardrobe.linear(wardrobe.SKIN[person.skin]) * rng.uniform(0.92, 1.06)
    out[CLOTH] = wardrobe.linear(wardrobe.SHIRTS[outfit.shirt]) * rng.uniform(0.9, 1.05)
    out[HAIR] = wardrobe.linear(wardrobe.HAIR[person.hair])
    out[EYE], out[FRAME] = SCLERA, FRAMES
    out[TROUSERS] = wardrobe.linear(wardrobe.TROUSERS[outfit.trousers])
    out[HAT] = wardrobe.linear(wardrobe.SHIRTS[outfit.hat_colour]) * 0.9
    if held is not None:
        out[OBJECT] = wardrobe.linear(wardrobe.THINGS[held])
    return out


def _lips(skin: np.ndarray, gender: str) -> np.ndarray:
    lips = skin * [0.86, 0.50, 0.50] + [0.02, 0.0, 0.004]
    return lips * [1.0, 0.72, 0.75] + [0.03, 0.0, 0.005] if gender == "woman" else lips


def _unit(x: float, y: float, z: float) -> np.ndarray:
    v = np.array([x, y, z])
    return v / np.linalg.norm(v)
