"""The hand: MANO's formula and numbers in numpy, its anatomy, and named gestures."""

from engine.hand.mano_file import use_mano
from engine.hand.model import HandModel, PosedHand, ShapedHand, pose_hand

__all__ = ["HandModel", "PosedHand", "ShapedHand", "pose_hand", "use_mano"]
