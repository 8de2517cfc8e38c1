"""The registry. A method is a file here that defines METHOD; the order below is the screen's."""

from __future__ import annotations

from engine.methods import (
    attentionhand,
    commercial,
    controlnet,
    foundhand,
    hand1000,
    handbooster,
    handrefiner,
    imagic,
    negative,
    sd,
    sd_ft,
    sd_ft_imagic,
    sesahand,
)
from engine.methods.base import Method, Param

_MODULES = (
    sd,
    controlnet,
    hand1000,
    sesahand,
    negative,
    sd_ft,
    imagic,
    sd_ft_imagic,
    handrefiner,
    attentionhand,
    foundhand,
    handbooster,
    commercial,
)
METHODS: dict[str, Method] = {module.METHOD.name: module.METHOD for module in _MODULES}

__all__ = ["METHODS", "Method", "Param"]
