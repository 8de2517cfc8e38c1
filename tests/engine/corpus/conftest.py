"""Stand-ins: small pictures and Samples with a hand in view."""

from __future__ import annotations

import numpy as np
import pytest

from engine.corpus.sample import Captions, Sample, Semantics
from engine.types import Camera, HandPose


@pytest.fixture
def sample_of():
    def make(index: int, **changes) -> Sample:
        rng = np.random.default_rng(index)
        values = {
            "key": f"train-{index:06d}",
            "image": np.full((64, 48, 3), rng.integers(0, 255, 3), dtype=np.uint8),
            "mesh": np.full((64, 48, 3), 7 * index % 200, dtype=np.uint8),
            "hands": (HandPose(side="left", transl=(0.01 * index, 0.0, 0.5), hand_pose=(0.1,) * 45),),
            "camera": Camera.simple(focal_px=80, width_px=48, height_px=64),
            "captions": Captions(short=f"short {index}", wordy="wordy “ü”", gesture="g"),
            "semantics": Semantics(pose="p", action="a", hand_action="h", environment="e"),
            "attributes": {"shirt": "red", "gesture": "ok"},
        }
        return Sample(**{**values, **changes})

    return make
