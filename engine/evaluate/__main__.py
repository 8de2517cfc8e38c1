"""`python -m engine.evaluate`: tables, ablations, contact sheets, and the small networks that read pictures.

    python -m engine.evaluate table --profile embedded --n 500 --processes 2
    python -m engine.evaluate ablate --profile embedded --n 200
    python -m engine.evaluate sheet
    python -m engine.evaluate card
    python -m engine.evaluate train-attributes --data data/plain
    python -m engine.evaluate train-gestures --data data/plain
    python -m engine.evaluate downstream --renders data/plain --test data/full --set sesahand=outputs/synthetic

Every command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from engine.types import UserError

if TYPE_CHECKING:
    from engine.evaluate.run import Settings
    from engine.evaluate.suites import Suite

SUITE_NAMES = ("structure", "gesture")


def parser() -> argparse.ArgumentParser:
    root = argparse.ArgumentParser(
        prog="python -m engine.evaluate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = root.add_subparsers(dest="command", required=True)

    table = _command(commands, "table", "the papers' tables over all methods", run_table)
    ablate = _command(commands, "ablate", "one part or parameter at a time", run_ablate)
    sheet = _command(commands, "sheet", "uncurated samples of every method as one picture", run_sheet)
    for command in (table, ablate, sheet):
        command.add_argument("--profile", default="embedded")
        command.add_argument("--data", type=Path, default=Path("data/plain"), help="corpus with a test split")
        command.add_argument("--n", type=int, default=500, help="held-out cases")
        command.add_argument("--steps", type=int, help="sampling steps; the profile's own if not given")
        command.add_argument("--out", type=Path, default=Path("assets/results"))
    for command in (table, ablate):
        command.add_argument("--processes", type=int, default=1)
        command.add_argument(
            "--inception", type=Path, help="inception-2015-12-05.pt: FID and KID for FD-world, KD-world"
        )
        command.add_argument(
            "--clip", type=Path, help="folder of openai/clip-vit-base-patch32: adds CLIP score"
        )
    for command in (table, sheet):
        command.add_argument("--suite", choices=SUITE_NAMES, action="append", help="both if not given")
        command.add_argument("--methods", nargs="+", help="the paper's if not given")
    table.add_argument(
        "--published",
        type=Path,
        metavar="FILE",
        help="TorchScript Inception-v3 of torchvision: Hand1000's own metrics",
    )
    ablate.add_argument(
        "--study", choices=("sesahand", "alpha", "hand1000"), action="append", help="all if not given"
    )

    card = _command(commands, "card", "put the tables of assets/results into MODEL_CARD.md", run_card)
    card.add_argument("--results", type=Path, default=Path("assets/results"))
    card.add_argument("--card", type=Path, default=Path("MODEL_CARD.md"))

    for name, n, act in (("attributes", 3000, run_train_attributes), ("gestures", 3000, run_train_gestures)):
        command = _command(
            commands, f"train-{name}", f"the {name[:-1]} network that evaluation reads with", act
        )
        command.add_argument("--data", type=Path, default=Path("data/plain"))
        command.add_argument("--n", type=int, default=n, help="training pictures")
        command.add_argument("--held-out", type=int, default=500, help="validation pictures")
        if name == "attributes":
            command.add_argument("--epochs", type=int, default=12)

    downstream = _command(
        commands, "downstream", "a hand-pose network on renders and generated pictures", run_downstream
    )
    downstream.add_argument("--renders", type=Path, required=True, help="corpus to learn from")
    downstream.add_argument("--n", type=int, default=2000, help="rendered pictures to learn from")
    downstream.add_argument("--test", type=Path, required=True, help="corpus of another look to test on")
    downstream.add_argument("--n-test", type=int, default=1000)
    downstream.add_argument(
        "--set", action="append", default=[], metavar="NAME=DIR", help="an export's folder"
    )
    downstream.add_argument(
        "--evaluated", nargs="+", default=[], metavar="VARIANT",
        help="also the pictures that `table` made of these: sd, controlnet, sesahand, renders (more real ones)",
    )  # fmt: skip
    downstream.add_argument(
        "--evaluated-data", type=Path, default=Path("data/plain"), help="the corpus of that table"
    )
    downstream.add_argument("--all-pictures", action="store_true", help="also those the export left out")
    downstream.add_argument("--steps", type=int, default=4000)
    downstream.add_argument("--seeds", type=int, default=3)
    downstream.add_argument("--out", type=Path, default=Path("assets/results"))
    return root


def _command(commands, name: str, text: str, act) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=text, description=text)
    command.set_defaults(run=act)
    return command


def settings_of(args: argparse.Namespace) -> Settings:
    from engine.evaluate.run import Settings

    if args.n < 4:
        raise UserError("--n must be 4 or more.", code="too_few")
    return Settings(
        profile=args.profile,
        data=args.data,
        n=args.n,
        steps=args.steps,
        processes=getattr(args, "processes", 1),
    )


def suites_of(args: argparse.Namespace) -> list[Suite]:
    from engine.evaluate.suites import SUITES

    return [SUITES[name] for name in args.suite or SUITE_NAMES]


def run_table(args: argparse.Namespace) -> None:
    from engine.evaluate import commands
    from engine.evaluate.suites import variants

    settings = settings_of(args)
    for suite in suites_of(args):
        chosen = variants(suite, args.methods)
        networks = commands.Networks(inception=args.inception, clip=args.clip)
        tables = commands.evaluate(suite, chosen, settings, networks)
        if args.published:
            tables.append(commands.published_table(suite, chosen, settings, args.published))
        commands.write(tables, suite, settings, f"{settings.profile}-{suite.name}", args.out)
        _show(tables)


def run_ablate(args: argparse.Namespace) -> None:
    from engine.evaluate import commands
    from engine.evaluate.suites import STUDIES

    settings = settings_of(args)
    for study in (STUDIES[name] for name in args.study or STUDIES):
        networks = commands.Networks(inception=args.inception, clip=args.clip)
        tables = commands.evaluate(study.titled, study.variants, settings, networks, study.reference)
        commands.write(tables, study.suite, settings, f"{settings.profile}-ablate-{study.name}", args.out)
        _show(tables[:1])


def run_sheet(args: argparse.Namespace) -> None:
    from engine.evaluate import commands
    from engine.evaluate.suites import variants

    settings = settings_of(args)
    for suite in suites_of(args):
        path = args.out / f"{settings.profile}-{suite.name}.webp"
        commands.sheet(suite, variants(suite, args.methods), settings, path)


def run_card(args: argparse.Namespace) -> None:
    from engine.evaluate.card import replaced

    text = replaced(args.card.read_text(encoding="utf-8"), args.results)
    args.card.write_text(text, encoding="utf-8")


def run_train_attributes(args: argparse.Namespace) -> None:
    from engine.evaluate.readers import train_attributes

    _print_accuracy(train_attributes(args.data, n=args.n, held_out=args.held_out, epochs=args.epochs))


def run_train_gestures(args: argparse.Namespace) -> None:
    from engine.evaluate.readers import train_gestures

    _print_accuracy(train_gestures(args.data, n=args.n, held_out=args.held_out))


def run_downstream(args: argparse.Namespace) -> None:
    from engine.evaluate import downstream, report
    from engine.evaluate.run import Settings
    from engine.evaluate.suites import STRUCTURE

    if bad := [text for text in args.set if "=" not in text]:
        raise UserError(f"--set takes NAME=DIR, not {bad[0]!r}.", code="bad_set")
    folders = dict(text.split("=", 1) for text in args.set)
    sets = {
        name: downstream.exported_crops(Path(folder), kept_only=not args.all_pictures)
        for name, folder in folders.items()
    }
    made = Settings(data=args.evaluated_data, n=args.n)
    sets |= {name: downstream.evaluated_crops(made, STRUCTURE, name) for name in args.evaluated}
    table = downstream.compare(
        downstream.corpus_crops(args.renders, args.n, "train"),
        sets,
        downstream.corpus_crops(args.test, args.n_test, "test"),
        steps=args.steps,
        seeds=args.seeds,
    )
    facts = {"learnt from": args.renders.name, "tested on": args.test.name, "intervals": "95 %, bootstrap"}
    report.write([table], facts, args.out, "downstream")
    _show([table])


def _show(tables) -> None:
    from engine.evaluate.report import to_markdown

    print("\n".join(map(to_markdown, tables)))


def _print_accuracy(scores: dict[str, float]) -> None:
    print("\n".join(f"{name}: {score:.3f}" for name, score in scores.items()))


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    try:
        args.run(args)
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
