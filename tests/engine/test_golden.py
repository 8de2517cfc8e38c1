"""Pictures of the tiny profile against those kept in tests/golden; its README says how they were made."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from engine.image import decode, encode

GOLDEN = Path(__file__).parents[1] / "golden"
METHODS = ("sd", "controlnet", "hand1000", "sesahand", "handrefiner", "foundhand")
PSNR_DB = 38.0  # rounding over torch's versions and processors stays above it, another seed is below 15


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    error = np.mean((a.astype(float) - b.astype(float)) ** 2)
    return float("inf") if error == 0 else 10 * np.log10(255**2 / error)


@pytest.mark.parametrize("method", METHODS)
def test_golden(patient, request_ok, method):
    image = patient.result(patient.plan(method, request_ok)).image
    path = GOLDEN / f"{method}.png"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_bytes(encode(image))
    expected = decode(path.read_bytes())
    found = psnr(image, expected)
    others = {name: psnr(image, decode((GOLDEN / f"{name}.png").read_bytes())) for name in METHODS}
    assert found > PSNR_DB, f"{method}: PSNR {found:.1f} dB to its golden picture; to all: {others}"
    assert all(value < PSNR_DB for name, value in others.items() if name != method), others
