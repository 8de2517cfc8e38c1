"""List the gestures that a hand can be given."""

from __future__ import annotations

import argparse
import logging

from gradio_client import Client

logger = logging.getLogger(__name__)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:7860")
    chosen = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for gesture in Client(chosen.url, verbose=False, httpx_kwargs={"timeout": 60}).predict(
        api_name="/gestures"
    ):
        logger.info("%-18s %-22s %s", gesture["name"], gesture["title"]["en"], gesture["phrase"])


if __name__ == "__main__":
    main()
