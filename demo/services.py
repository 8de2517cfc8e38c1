"""What the handlers of every page share: the engine, the registry, the presets, the shipped pictures."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from demo.forms import Settings, settled
from demo.gallery import PROMPTS, Gallery
from demo.i18n import Text
from demo.runs import Runner
from engine.types import SamplerSpec, UserError

logger = logging.getLogger(__name__)
_FIRST_GESTURE = "ok"
_FIRST_SEED = 7
_FIRST_METHODS = 4  # the registry begins with the two papers and what they build on


@dataclass(frozen=True)
class Services:
    """`engine` None is the gallery-only mode: everything shows, nothing new is made."""

    engine: Any | None
    catalogue: Mapping[str, Any]  # name -> engine.methods.Method
    gestures: Mapping[str, Any]  # name -> engine.hand.gesture.Gesture
    gallery: Gallery
    prompts: tuple[dict[str, Any], ...]
    results_folder: Path
    may_tune: bool = (
        True  # whether visitors may have Imagic learn a picture, whose weights everybody sees then
    )

    @classmethod
    def load(cls, engine: Any | None, root: Path) -> Services:
        """With the project's own registry and presets below `root`."""
        from engine.hand.gesture import load_gestures
        from engine.methods import METHODS

        return cls(
            engine=engine,
            catalogue=METHODS,
            gestures=load_gestures(),
            gallery=Gallery(METHODS),
            prompts=tuple(yaml.safe_load(PROMPTS.read_text(encoding="utf-8"))),
            results_folder=root / "assets" / "results",
        )

    @cached_property
    def runner(self) -> Runner:
        if self.engine is None:
            raise UserError(
                "This page shows shipped results only; run HandLab yourself to make new pictures.",
                code="gallery_only",
            )
        return Runner(self.engine, self.catalogue)

    @property
    def sampler(self) -> SamplerSpec:
        return self.engine.profile.sampler if self.engine is not None else SamplerSpec()

    def is_available(self, method: str) -> bool:
        """Whether it can run, for some gesture at least, given a token where it needs one."""
        if self.engine is None:
            return True
        of_gestures = "gesture" in getattr(self.catalogue.get(method), "needs", ())
        names = self.gestures if of_gestures else (_FIRST_GESTURE,)
        return any(self.engine.availability(method, name, token="any").ok for name in names)

    def method_choices(self, t: Text) -> list[tuple[str, str]]:
        """(title, name) of every method; those without weights are marked."""
        return [
            (title if self.is_available(name) else t("methods.unavailable", title=title), name)
            for name, title in self.titles(t).items()
        ]

    def titles(self, t: Text) -> dict[str, str]:
        """Every method's title, in the registry's order."""
        return {name: t.pick(method.title) for name, method in self.catalogue.items()}

    @cached_property
    def first(self) -> Settings:
        """What a new visitor's form holds: the first shipped scene, so that pictures are there at once."""
        scenes = list(self.gallery.scenes.values())
        if scenes:
            scene = next((s for s in scenes if s.settings.gesture == _FIRST_GESTURE), scenes[0])
            return replace(scene.settings, methods=scene.settings.methods[:_FIRST_METHODS])
        return self.completed(
            Settings(
                prompt=self.prompts[0]["text"],
                gesture=_FIRST_GESTURE if _FIRST_GESTURE in self.gestures else next(iter(self.gestures)),
                seed=_FIRST_SEED,
                steps=self.sampler.steps,
                cfg=self.sampler.cfg,
                methods=tuple(name for name in self.catalogue if self.is_available(name))[:_FIRST_METHODS],
            )
        )

    def completed(self, settings: Settings) -> Settings:
        """`settings` whose gesture exists and whose hand is the gesture's where none is given."""
        named = self.gestures.get(settings.gesture or "")
        gesture = named or next(iter(self.gestures.values()))
        return replace(
            settings,
            gesture=settings.gesture if named else None,
            hands=settings.hands or (settled(gesture.hand),),
            camera=settings.camera or gesture.camera,
        )

    def is_preset(self, settings: Settings) -> bool:
        """Whether the hand is exactly its gesture's."""
        gesture = self.gestures.get(settings.gesture or "")
        return (
            gesture is not None
            and settings.hands == (settled(gesture.hand),)
            and settings.camera == gesture.camera
        )

    def shortened(self, settings: Settings) -> Settings:
        """`settings` for a link: a hand that is exactly its gesture's goes without saying."""
        return replace(settings, hands=(), camera=None) if self.is_preset(settings) else settings

    def warm(self) -> None:
        """Import what the first run needs, so that it does not wait; for a thread after the page is up."""
        try:
            import engine.reconstruct
            import engine.render  # noqa: F401

            if hasattr(self.engine, "warm"):
                self.engine.warm()
        except Exception:  # the first run will say it to whoever asked
            logger.exception("warming up failed")
