"""Draw a hand as the methods are shown it: mesh, depth, normals, keypoints or mask."""

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
    parser.add_argument("--gesture", default="ok")
    parser.add_argument("--kind", default="mesh")
    parser.add_argument("--out", type=Path, default=Path("hint.png"))
    chosen = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    path = Client(chosen.url, verbose=False, httpx_kwargs={"timeout": 60}).predict(
        gesture=chosen.gesture, kind=chosen.kind, api_name="/render"
    )
    shutil.copy(path, chosen.out)
    logger.info("%s", chosen.out)


if __name__ == "__main__":
    main()
