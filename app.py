"""HandLab: `python app.py` serves the application. `--help` lists what can be set."""

from __future__ import annotations

import argparse
import logging
import os
from pathlib import Path

# Before gradio and the hub's library are imported: they would ask their servers for news.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

ROOT = Path(__file__).resolve().parent
ON_SPACE = "SPACE_ID" in os.environ


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Hand image generation, methods side by side.")
    parser.add_argument("--host", default="0.0.0.0" if ON_SPACE else "127.0.0.1")
    parser.add_argument("--port", type=int, default=7860)
    parser.add_argument("--profile", default=os.environ.get("HANDLAB_PROFILE", "embedded"))
    parser.add_argument("--mano", type=Path, metavar="DIR", help="your own MANO_RIGHT.pkl and MANO_LEFT.pkl")
    parser.add_argument("--cache", type=Path, metavar="DIR", default=ROOT / "cache", help="kept pictures")
    parser.add_argument("--device", help="cpu, cuda, cuda:1, mps; found by itself when left out")
    parser.add_argument("--share", action="store_true", help="a public link through gradio's servers")
    parser.add_argument("--study", metavar="URL", help="the study's database; data/study.db by default")
    parser.add_argument("--token", default=os.environ.get("HANDLAB_TOKEN"), help="opens the owner's pages")
    parser.add_argument("--mcp", action="store_true", help="serve the endpoints to agents too: gradio[mcp]")
    parser.add_argument(
        "--tuning", action=argparse.BooleanOptionalAction, default=not ON_SPACE,
        help="visitors may have Imagic learn a picture, for everybody; not on a Space by default",
    )  # fmt: skip
    parser.add_argument("--gallery-only", action="store_true", help="shipped results, no engine")
    return parser.parse_args()


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    chosen = arguments()
    if chosen.profile == "embedded":
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from demo.serve import serve

    serve(chosen, ROOT)


if __name__ == "__main__":
    main()
