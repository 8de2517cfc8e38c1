"""Read the hands from a photo."""

from __future__ import annotations

import argparse
import logging

from gradio_client import Client, handle_file

logger = logging.getLogger(__name__)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:7860")
    parser.add_argument("photo", help="a PNG, JPEG or WebP picture")
    chosen = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    hands = Client(chosen.url, verbose=False, httpx_kwargs={"timeout": 60}).predict(
        image=handle_file(chosen.photo), api_name="/reconstruct"
    )
    logger.info("hands found: %d", len(hands))
    for hand in hands:
        wrist = ", ".join(f"{v:.3f}" for v in hand["joints_m"][0])
        logger.info("%s hand, score %.2f, wrist at (%s) m", hand["side"], hand["score"], wrist)


if __name__ == "__main__":
    main()
