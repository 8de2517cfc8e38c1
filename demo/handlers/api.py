"""The programs' way in: plain values in, files and JSON out. API and MCP show the names and docstrings."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr
import numpy as np

from demo.forms import Settings, check, check_ready
from demo.runs import unexpected
from demo.services import Services
from demo.session import Column, Session
from engine.types import Camera, HandPose, UserError, from_json, to_json

logger = logging.getLogger(__name__)


class ApiHandlers:
    """Each call has a session of its own: nothing stays, and visitors and programs take turns."""

    def __init__(self, services: Services):
        self.services = services

    def gestures(self) -> list[dict[str, Any]]:
        """List the gestures: name, titles, the phrase for a prompt, group, and the hand's pose.

        Returns:
            A list; `name` is what the other endpoints take, `hand` and `camera` what they take as a pose.
        """
        return [
            {
                "name": gesture.name,
                "title": dict(gesture.title),
                "phrase": gesture.phrase,
                "group": gesture.group,
                "hand": to_json(gesture.hand),
                "camera": to_json(gesture.camera),
            }
            for gesture in self.services.gestures.values()
        ]

    def generate(
        self,
        prompt: str,
        gesture: str = "ok",
        method: str = "sesahand",
        seed: float = 0,
        steps: float = 20,
        cfg: float = 3.0,
        options: dict | None = None,
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Make one picture of a person with a given hand.

        Args:
            prompt: What the picture shows, in English.
            gesture: The hand's gesture, a name from the gestures endpoint.
            method: sd, controlnet, hand1000, sesahand, or another method of the Methods page.
            seed: The same seed and settings give the same picture.
            steps: Denoising steps, 1 to 100.
            cfg: Guidance scale.
            options: More settings: {"hand": ..., "camera": ..., "negative": ..., "params": {name: value}}.

        Returns:
            The picture, and a report with the plan, the time and the hand's error in millimetres.
        """
        column = self._run(prompt, gesture, [method], seed, steps, cfg, options)[method]
        if column.error is not None:
            raise gr.Error(str(column.error))
        return column.image, self._report(column)

    def compare(
        self,
        prompt: str,
        gesture: str = "ok",
        methods: list | None = None,
        seed: float = 0,
        steps: float = 20,
        cfg: float = 3.0,
        options: dict | None = None,
    ) -> tuple[list[tuple[np.ndarray, str]], dict[str, Any]]:
        """Make the same picture by several methods, with one seed for all.

        Args:
            prompt: What the picture shows, in English.
            gesture: The hand's gesture, a name from the gestures endpoint.
            methods: Names of methods; all that are available when left out.
            seed: The same seed and settings give the same pictures.
            steps: Denoising steps, 1 to 100.
            cfg: Guidance scale.
            options: More settings: {"hand": ..., "camera": ..., "negative": ...,
                "params": {method: {name: value}}}.

        Returns:
            Pictures with their methods' names, and a report a method.
        """
        names = methods or [name for name in self.services.catalogue if self.services.is_available(name)]
        columns = self._run(prompt, gesture, names, seed, steps, cfg, options)
        pictures = [(column.image, name) for name, column in columns.items() if column.image is not None]
        return pictures, {name: self._report(column) for name, column in columns.items()}

    def render(
        self, gesture: str = "ok", kind: str = "mesh", hand: dict | None = None, camera: dict | None = None
    ) -> np.ndarray:
        """Draw a hand as the methods are shown it.

        Args:
            gesture: A name from the gestures endpoint; left out of account when a hand is given.
            kind: mesh, depth, normals, keypoints or mask.
            hand: A pose as in the gestures endpoint.
            camera: A camera as in the gestures endpoint.

        Returns:
            The picture.
        """
        from engine.render import render_hint

        with _told():
            settings = self._settings("", gesture, [], 0, 20, 3.0, {"hand": hand, "camera": camera})
            size = (settings.camera.height_px, settings.camera.width_px)
            return render_hint(kind, settings.hands, settings.camera, size)

    def reconstruct(self, image: str) -> list[dict[str, Any]]:
        """Read the hands from a photo or a generated picture.

        Args:
            image: A PNG, JPEG or WebP picture.

        Returns:
            A list with an entry a hand, empty when there is none: score, side, keypoints in pixels, joints in
            metres (21, OpenPose order) and the pose in MANO's parameters.
        """
        from engine.image import open_image
        from engine.reconstruct import reconstruct

        with _told():
            return [
                {
                    "side": found.hand.side,
                    "score": round(float(found.score), 4),
                    "keypoints_px": None
                    if found.keypoints_px is None
                    else found.keypoints_px.round(2).tolist(),
                    "joints_m": found.joints.round(5).tolist(),
                    "hand": to_json(found.hand),
                    "camera": to_json(found.camera),
                }
                for found in reconstruct(open_image(image))
            ]

    def _run(
        self,
        prompt: str,
        gesture: str,
        methods: list[str],
        seed: float,
        steps: float,
        cfg: float,
        options: dict | None,
    ) -> dict[str, Column]:
        with _told():
            settings = check_ready(self._settings(prompt, gesture, methods, seed, steps, cfg, options or {}))
            session = Session()
            for _ in self.services.runner.compare(session, settings):
                pass
            return session.columns

    def _settings(
        self,
        prompt: str,
        gesture: str,
        methods: list[str],
        seed: float,
        steps: float,
        cfg: float,
        options: dict[str, Any],
    ) -> Settings:
        unknown = [name for name in methods if name not in self.services.catalogue]
        if unknown:
            raise UserError(f"There is no method {unknown[0]!r}.", code="no_method_named", name=unknown[0])
        if gesture not in self.services.gestures and not options.get("hand"):
            raise UserError(f"There is no gesture {gesture!r}.", code="no_gesture")
        params = options.get("params") or {}
        if len(methods) == 1 and methods[0] not in params:
            params = {methods[0]: params}
        hand, camera = from_json(options.get("hand")), from_json(options.get("camera"))
        if not isinstance(hand, HandPose | None) or not isinstance(camera, Camera | None):
            raise UserError("Give hand and camera as the gestures endpoint does.", code="bad_settings")
        settings = Settings(
            prompt=prompt,
            negative=str(options.get("negative") or ""),
            gesture=gesture,
            hands=(hand,) if hand is not None else (),
            camera=camera,
            seed=seed,
            steps=steps,
            cfg=cfg,
            methods=tuple(methods),
            params=params,
        )
        return self.services.completed(check(settings, self.services.catalogue))

    def _report(self, column: Column) -> dict[str, Any]:
        if column.result is None:
            return {"method": column.method, "error": str(column.error or column.state)}
        reading = column.reading
        return {
            "method": column.method,
            "seconds": round(column.result.seconds, 3),
            "cached": column.result.cached,
            "hand_found": bool(reading and reading.error_mm is not None),
            "error_mm": reading.error_mm if reading else None,
            "floor_mm": reading.floor_mm if reading else None,
            "plan": column.result.plan.to_json(),
        }


@contextmanager
def _told() -> Iterator[None]:
    """Failures as one sentence, as the page has them."""
    try:
        yield
    except UserError as error:
        raise gr.Error(str(error)) from None
    except Exception:
        logger.exception("an API call failed")
        raise gr.Error(str(unexpected())) from None
