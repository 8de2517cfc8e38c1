"""What a picture shows, drawn from a seed: person, clothes, hands, camera, backdrop. No pixels here."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from engine.corpus import wardrobe
from engine.corpus.body import Body, Rest
from engine.corpus.framing import BOTH_HANDS, CHEST, SELFIE, WIDE, Framing
from engine.corpus.hands import HandChoice, choose_hand
from engine.corpus.people import Person, sample_person
from engine.corpus.person import Outfit
from engine.corpus.placement import Placement, place

SPLITS = ("train", "val", "test")
ATTEMPTS = 60  # scenes drawn anew when a pose finds no place in view


@dataclass(frozen=True, kw_only=True)
class Backdrop:
    """What is behind the person: a wall's colour, or one of backdrop.PLACES."""

    place: str = "wall"
    wall: str  # a name in wardrobe.WALLS; indoors the room's colour


@dataclass(frozen=True, kw_only=True)
class Level:
    """How much varies."""

    framings: tuple[tuple[Framing, float], ...]  # with their shares
    both_hands: float = 0.0  # shares of pictures
    pattern: float = 0.0
    glasses: float = 0.0
    hat: float = 0.0
    held: float = 0.0
    places: float = 0.0


LEVELS = {
    "plain": Level(framings=((SELFIE, 1.0),)),
    "full": Level(
        framings=((SELFIE, 0.4), (CHEST, 0.4), (WIDE, 0.2)), both_hands=0.18, pattern=0.4, glasses=0.25,
        hat=0.18, held=0.2, places=0.7,
    ),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    person: Person
    rest: Rest
    outfit: Outfit
    hands: tuple[HandChoice, ...]
    placement: Placement
    backdrop: Backdrop
    light_seed: int


def stream(seed: int, split: str, index: int, what: str) -> np.random.Generator:
    """An independent generator: the same for the same words, unrelated for any others."""
    digest = hashlib.blake2b(f"{seed}/{split}/{index}/{what}".encode(), digest_size=16).digest()
    return np.random.default_rng(int.from_bytes(digest, "little"))


def sample_scene(
    body: Body, *, seed: int, split: str, index: int, level: str = "plain", gesture: str | None = None,
    takes: int = 1,
) -> Scene:  # fmt: skip
    """The scene of picture `index`; the same arguments give the same scene, whatever ran before.

    `gesture` asks for one named gesture in every picture. With several `takes`, as many pictures in a row show
    one person in the same clothes and light at the same place, each in another pose before another camera.
    """
    recipe = LEVELS[level]
    for attempt in range(ATTEMPTS):
        # What takes share must not depend on how often a pose of one of them was drawn anew.
        who, word = (index, attempt) if takes == 1 else (index // takes, "takes")
        people, dress = (stream(seed, split, who, f"{level}/{word}/{what}") for what in ("people", "dress"))
        pose, camera = (
            stream(seed, split, index, f"{level}/{attempt}/{what}") for what in ("pose", "camera")
        )
        person = sample_person(people)
        rest = body.rest(person.phenotype)
        hands, framing = _hands(recipe, pose, gesture)
        placement = place(body, rest, hands, framing, camera)
        if placement is not None:
            outfit = _outfit(recipe, person, dress)
            return Scene(
                person=person, rest=rest, outfit=outfit, hands=hands, placement=placement,
                backdrop=_backdrop(recipe, outfit, dress), light_seed=int(dress.integers(2**31)),
            )  # fmt: skip
    raise RuntimeError(f"No placement found for picture {split}/{index}.")


def _hands(
    level: Level, rng: np.random.Generator, gesture: str | None
) -> tuple[tuple[HandChoice, ...], Framing]:
    if rng.random() < level.both_hands:
        first = choose_hand(rng, gesture=gesture, side="right")
        second = choose_hand(rng, gesture=gesture, side="left")
        return (first, second), BOTH_HANDS
    framings, shares = zip(*level.framings, strict=True)
    framing = framings[int(rng.choice(len(framings), p=shares))]
    return (choose_hand(rng, gesture=gesture, held=rng.random() < level.held),), framing


def _outfit(level: Level, person: Person, rng: np.random.Generator) -> Outfit:
    shirt = str(rng.choice(list(wardrobe.SHIRTS)))
    trim = str(rng.choice([name for name in wardrobe.SHIRTS if name != shirt]))
    return Outfit(
        hair=str(rng.choice(wardrobe.SHAPES_OF[person.gender])),
        sleeve=str(rng.choice(["short", "long"])),
        neck=str(rng.choice(["round", "round", "V"])),
        shirt=shirt,
        pattern=str(rng.choice(wardrobe.PATTERNS[1:])) if rng.random() < level.pattern else "plain",
        trim=trim,
        trousers=str(rng.choice(list(wardrobe.TROUSERS))),
        glasses=bool(rng.random() < level.glasses),
        hat=str(rng.choice(list(wardrobe.HATS))) if rng.random() < level.hat else None,
        hat_colour=str(rng.choice(list(wardrobe.SHIRTS))),
    )


def _backdrop(level: Level, outfit: Outfit, rng: np.random.Generator) -> Backdrop:
    walls = [name for name in wardrobe.WALLS if name != outfit.shirt]  # a shirt must stand off from its wall
    place = str(rng.choice(wardrobe.PLACES)) if rng.random() < level.places else "wall"
    return Backdrop(place=place, wall=str(rng.choice(walls)))
