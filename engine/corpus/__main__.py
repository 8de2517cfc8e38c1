"""python -m engine.corpus make | sheet | stats | read | export"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

from engine.corpus import export
from engine.corpus.captioning import CAPTIONERS
from engine.corpus.make import Recipe, make, make_sample
from engine.corpus.readers import FLAT, READERS, mano_mean
from engine.corpus.scene import LEVELS, SPLITS
from engine.semantics import BACKENDS
from engine.types import UserError


def main(argv: list[str] | None = None) -> int:
    args = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    try:
        args.run(args)
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m engine.corpus", description="Pictures to train and test on."
    )
    commands = parser.add_subparsers(dest="command", required=True)

    command = commands.add_parser("make", help="draw pictures into shards; resumes where it was stopped")
    _add_recipe(command)
    command.add_argument("--n", type=int, default=8000)
    command.add_argument("--out", type=Path, help="data/<level> by default")
    command.add_argument("--workers", type=int, default=os.cpu_count())
    command.set_defaults(run=_make)

    command = commands.add_parser("sheet", help="draw a contact sheet")
    _add_recipe(command)
    command.add_argument("--n", type=int, default=48)
    command.add_argument("--first", type=int, default=0)
    command.add_argument("--columns", type=int, default=8)
    command.add_argument("--mesh", action="store_true", help="lay each picture's mesh image over it")
    command.add_argument("--out", type=Path, required=True)
    command.set_defaults(run=_sheet)

    command = commands.add_parser("stats", help="count a corpus")
    command.add_argument("--folder", type=Path, required=True)
    command.add_argument("--split", choices=SPLITS, default="train")
    command.set_defaults(run=_stats)

    command = commands.add_parser("read", help="turn a published data set into shards")
    command.add_argument("--layout", choices=READERS, required=True)
    command.add_argument("--folder", type=Path, required=True)
    command.add_argument("--split", help="as the data set calls it; its first one by default")
    mean = command.add_mutually_exclusive_group()
    mean.add_argument("--mano", type=Path, help="folder of MANO_RIGHT.pkl: labels are relative to its mean")
    mean.add_argument("--flat", action="store_true", help="labels are relative to the flat hand, as exports")
    command.add_argument("--captioner", choices=CAPTIONERS)
    command.add_argument("--captioner-model", help="folder or name of another checkpoint")
    command.add_argument("--rewriter", choices=BACKENDS, default="rules")
    command.add_argument("--device", default="cpu")
    command.add_argument("--size-px", type=int, default=256)
    command.add_argument("--out", type=Path, required=True)
    command.set_defaults(run=_read)

    export.add_parser(commands)
    return parser


def _add_recipe(command: argparse.ArgumentParser) -> None:
    command.add_argument("--level", choices=LEVELS, default="plain")
    command.add_argument("--split", choices=SPLITS, default="train")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument(
        "--gesture",
        help="one gesture in every picture, as Hand1000 is tuned on; several, with commas, in turn",
    )
    command.add_argument(
        "--takes", type=int, default=1, help="pictures in a row of one person, as FoundHand's pairs are"
    )


def _recipe(args: argparse.Namespace) -> Recipe:
    return Recipe(level=args.level, split=args.split, seed=args.seed, gesture=args.gesture, takes=args.takes)


def _make(args: argparse.Namespace) -> None:
    make(_recipe(args), args.n, args.out or Path("data") / args.level, workers=args.workers)


def _sheet(args: argparse.Namespace) -> None:
    from engine.corpus.sheet import contact_sheet

    recipe = _recipe(args)
    samples = (make_sample(recipe, i) for i in range(args.first, args.first + args.n))
    contact_sheet(samples, columns=args.columns, overlay=args.mesh).save(args.out)


def _stats(args: argparse.Namespace) -> None:
    from engine.corpus.stats import report

    print(report(args.folder, args.split))


def _read(args: argparse.Namespace) -> None:
    from engine.corpus.captioning import captioner
    from engine.corpus.convert import convert

    options = {"split": args.split} if args.split else {}
    if args.layout != "hagrid":
        options["mean_pose"] = _mean_pose(args)
    describe = None
    if args.captioner:
        describe = captioner(args.captioner, model=args.captioner_model, device=args.device)
    samples = READERS[args.layout](args.folder, **options)
    convert(samples, args.out, size_px=args.size_px, captioner=describe, rewriter=args.rewriter)


def _mean_pose(args: argparse.Namespace) -> tuple[float, ...]:
    if args.flat:
        return FLAT
    if args.mano is None:
        raise UserError(
            "Published poses are relative to MANO's mean pose: give --mano FOLDER, or --flat for exports.",
            code="no_mano",
        )
    from engine.hand import use_mano

    use_mano(args.mano)
    return mano_mean(args.mano)


if __name__ == "__main__":
    sys.exit(main())
