"""The registry. A method is a file here that defines METHOD; the order below is the screen's."""

from __future__ import annotations

from engine.methods import controlnet, hand1000, sd, sesahand
from engine.methods.base import Method, Param

METHODS: dict[str, Method] = {
    module.METHOD.name: module.METHOD
    for module in (
        sd,
        controlnet,
        hand1000,
        sesahand,
    )
}

__all__ = ["METHODS", "Method", "Param"]
