"""Make the same picture by several methods, with one seed, and save them."""

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
    parser.add_argument("--methods", nargs="+", default=["sd", "controlnet", "hand1000", "sesahand"])
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, default=Path("."), help="folder")
    chosen = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    pictures, reports = Client(chosen.url, verbose=False, httpx_kwargs={"timeout": 60}).predict(
        prompt=chosen.prompt,
        gesture=chosen.gesture,
        methods=chosen.methods,
        seed=chosen.seed,
        api_name="/compare",
    )
    for picture in pictures:
        shutil.copy(picture["image"], chosen.out / f"{picture['caption']}.png")
    for name, report in reports.items():
        logger.info(
            "%-12s %s", name, report.get("error") or f"{report['seconds']} s, {report['error_mm']} mm"
        )


if __name__ == "__main__":
    main()
