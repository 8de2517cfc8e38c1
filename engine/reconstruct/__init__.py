"""Hands read from pictures, and how far they are from the ones asked for."""

from engine.reconstruct.errors import HandErrors, errors
from engine.reconstruct.landmarks import Detection, detect, recognise
from engine.reconstruct.read import best_of_side, reconstruct

__all__ = ["Detection", "HandErrors", "best_of_side", "detect", "errors", "recognise", "reconstruct"]
