"""`python -m engine.reconstruct floor | calibrate | convert`: measure the reader, or bring one's own."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path

from engine.reconstruct.trials import corpus_trials, random_trials
from engine.types import UserError

CALIBRATION_SEED = 1  # not the floor's, so that it is measured on other hands


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m engine.reconstruct", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    floor = commands.add_parser("floor", help="the reader's own error on pictures whose hands are known")
    floor.add_argument("--n", type=int, default=200)
    floor.add_argument("--seed", type=int, default=0)
    floor.add_argument("--data", type=Path, help="a corpus; without it, renders of random hands")
    floor.add_argument("--split", default="val")
    calibrate = commands.add_parser("calibrate", help="write calibration.json anew")
    calibrate.add_argument("--n", type=int, default=1000)
    converter = commands.add_parser("convert", help="a checkpoint of HaMeR or WiLoR to safetensors")
    converter.add_argument("checkpoint", type=Path)
    converter.add_argument("out", type=Path)
    args = parser.parse_args()
    try:
        {"floor": print_floor, "calibrate": write_calibration, "convert": convert}[args.command](args)
    except UserError as error:
        sys.exit(str(error))


def print_floor(args: argparse.Namespace) -> None:
    from engine.reconstruct.floor import measure_floor

    if args.data:
        trials = corpus_trials(args.data, args.n, args.split)
    else:
        trials = random_trials(args.n, args.seed)
    print(json.dumps(dataclasses.asdict(measure_floor(trials)), indent=2))


def write_calibration(args: argparse.Namespace) -> None:
    from engine.reconstruct import calibration

    found = calibration.calibrate(random_trials(args.n, CALIBRATION_SEED))
    calibration.save_calibration(found, args.n)
    print(calibration.FILE)


def convert(args: argparse.Namespace) -> None:
    from engine.reconstruct import convert as converter

    print(f"{converter.convert(args.checkpoint, args.out)} tensors in {args.out}")


if __name__ == "__main__":
    main()
