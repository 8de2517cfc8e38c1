"""What MediaPipe says of hands whose truth is known: gathered once, for the calibration and the lifter."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.evaluate.metrics_hand import box_side_px, keypoint_error_px
from engine.hand import anatomy, pose_hand
from engine.reconstruct.fit import Landmarks, seen_as_right
from engine.reconstruct.landmarks import Detection, detect
from engine.reconstruct.read import best_of_side
from engine.reconstruct.trials import Trial
from engine.render import keypoints_px
from engine.types import Camera, HandPose, UserError, from_json, to_json

WELL_FOUND_PERCENT = 8.0  # mean 2D error, of the hand's box: above it MediaPipe saw another pose


@dataclass(frozen=True, kw_only=True, eq=False)
class Observation:
    """One hand and how it was detected."""

    hand: HandPose
    camera: Camera
    detection: Detection

    def error_percent(self) -> float:
        """Mean distance of the detected keypoints from the true ones, in percent of the hand's box."""
        true_px = keypoints_px(pose_hand(self.hand), self.camera)
        return 100 * keypoint_error_px(self.detection.points_px, true_px) / box_side_px(true_px)

    def as_right(self) -> tuple[HandPose, Landmarks]:
        """The hand, and what was seen of it, as a right hand; a wrong label means inverted depths."""
        world = self.detection.world_m * (1, 1, 1 if self.detection.side == self.hand.side else -1)
        seen = seen_as_right(self.detection.points_px, world, self.camera, self.hand.side)
        return self.hand if self.hand.side == "right" else anatomy.mirror(self.hand), seen


def observe(trials: Iterable[Trial]) -> Iterator[Observation]:
    """Those of the trials in which a hand was found."""
    for trial in trials:
        found = detect(trial.image)
        if found:
            best = best_of_side(found, trial.hand.side)
            yield Observation(hand=trial.hand, camera=trial.camera, detection=best)


def append_observations(path: Path, observations: Iterable[Observation]) -> int:
    """Add to a file of JSON lines; their number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        return sum(file.write(json.dumps(_row(o)) + "\n") > 0 for o in observations)


def load_observations(path: Path) -> list[Observation]:
    if not path.is_file():
        raise UserError(
            f"There is no {path}; make it with `python -m engine.reconstruct observe`.", code="no_file"
        )
    return [_observation(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def _row(observation: Observation) -> dict:
    found = observation.detection
    return {
        "hand": to_json(observation.hand),
        "camera": to_json(observation.camera),
        "side": found.side,
        "score": found.score,
        "points_px": np.round(found.points_px, 2).tolist(),
        "world_m": np.round(found.world_m, 5).tolist(),
    }


def _observation(row: dict) -> Observation:
    detection = Detection(
        side=row["side"],
        score=row["score"],
        points_px=np.array(row["points_px"]),
        world_m=np.array(row["world_m"]),
    )
    return Observation(hand=from_json(row["hand"]), camera=from_json(row["camera"]), detection=detection)
