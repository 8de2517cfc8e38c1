"""python -m engine.corpus make | sheet | stats"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from engine.corpus.make import Recipe, make, make_sample
from engine.corpus.scene import LEVELS, SPLITS
from engine.types import UserError


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m engine.corpus", description="The embedded world's pictures."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("make", "write shards"),
        ("sheet", "draw a contact sheet"),
        ("stats", "count a corpus"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("--split", choices=SPLITS, default="train")
        if name != "stats":
            command.add_argument("--level", choices=LEVELS, default="plain")
            command.add_argument("--seed", type=int, default=0)
            command.add_argument("--gesture", help="one gesture in every picture, as Hand1000 is trained on")
            command.add_argument("--n", type=int, default=48)
        command.add_argument("--out" if name != "stats" else "--folder", type=Path, required=True)
        if name == "make":
            command.add_argument("--workers", type=int, default=2)
        if name == "sheet":
            command.add_argument("--columns", type=int, default=8)
            command.add_argument("--first", type=int, default=0)
            command.add_argument("--mesh", action="store_true", help="show each picture's mesh image over it")
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    try:
        if args.command == "stats":
            from engine.corpus.stats import report

            print(report(args.folder, args.split))
        else:
            recipe = Recipe(level=args.level, split=args.split, seed=args.seed, gesture=args.gesture)
            if args.command == "make":
                make(recipe, args.n, args.out, workers=args.workers)
            else:
                from engine.corpus.sheet import contact_sheet

                samples = (make_sample(recipe, i) for i in range(args.first, args.first + args.n))
                contact_sheet(samples, columns=args.columns, overlay=args.mesh).save(args.out)
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
