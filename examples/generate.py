"""Make one picture of a person with a given hand, and save it."""

from __future__ import annotations

import argparse
import logging
import shutil
from pathlib import Path

from gradio_client import Client

logger = logging.getLogger(__name__)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:7860")
    parser.add_argument("--prompt", default="a woman in a red shirt in front of a blue wall")
    parser.add_argument("--gesture", default="ok")
    parser.add_argument("--method", default="sesahand")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, default=Path("hand.png"))
    chosen = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    path, report = Client(chosen.url, verbose=False, httpx_kwargs={"timeout": 60}).predict(
        prompt=chosen.prompt,
        gesture=chosen.gesture,
        method=chosen.method,
        seed=chosen.seed,
        api_name="/generate",
    )
    shutil.copy(path, chosen.out)
    error = f"{report['error_mm']:.1f} mm off" if report["hand_found"] else "no hand found"
    logger.info("%s by %s in %.1f s: %s", chosen.out, chosen.method, report["seconds"], error)


if __name__ == "__main__":
    main()
