"""`python -m engine.reconstruct`: measure the reader, make its calibration and lifter, convert weights."""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import sys
from pathlib import Path

from engine.reconstruct.trials import corpus_trials, random_trials
from engine.types import UserError

OBSERVATIONS = Path("data/reconstruct/observations.jsonl")
OBSERVE_SEED = 1  # not the floor's, so that it is measured on other hands


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m engine.reconstruct", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    floor = commands.add_parser("floor", help="the reader's own error on pictures whose hands are known")
    floor.add_argument("--n", type=int, default=200)
    floor.add_argument("--seed", type=int, default=0)
    floor.add_argument("--data", type=Path, help="a corpus; without it, renders of random hands")
    floor.add_argument("--split", default="val")
    observe = commands.add_parser(
        "observe", help="gather what MediaPipe says of known hands, for the next two"
    )
    observe.add_argument("--n", type=int, default=1500)
    observe.add_argument("--data", type=Path, help="a corpus; without it, renders of random hands")
    observe.add_argument("--out", type=Path, default=OBSERVATIONS, help="added to, if it exists")
    calibrate = commands.add_parser("calibrate", help="where landmarks lie on the hand: calibration.json")
    calibrate.add_argument("--observations", type=Path, default=OBSERVATIONS)
    train = commands.add_parser("train", help="the lifter; after calibrate")
    train.add_argument("--observations", type=Path, default=OBSERVATIONS)
    train.add_argument("--steps", type=int, default=6000)
    converter = commands.add_parser("convert", help="a checkpoint of HaMeR or WiLoR to safetensors")
    converter.add_argument("checkpoint", type=Path)
    converter.add_argument("out", type=Path)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        COMMANDS[args.command](args)
    except UserError as error:
        sys.exit(str(error))


def run_floor(args: argparse.Namespace) -> None:
    from engine.reconstruct.floor import measure_floor

    if args.data:
        trials = corpus_trials(args.data, args.n, args.split)
    else:
        trials = random_trials(args.n, args.seed)
    print(json.dumps(dataclasses.asdict(measure_floor(trials)), indent=2))


def run_observe(args: argparse.Namespace) -> None:
    from engine.reconstruct.observations import append_observations, observe

    trials = corpus_trials(args.data, args.n, "train") if args.data else random_trials(args.n, OBSERVE_SEED)
    print(f"{append_observations(args.out, observe(trials))} hands added to {args.out}")


def run_calibrate(args: argparse.Namespace) -> None:
    from engine.reconstruct import calibration
    from engine.reconstruct.observations import load_observations

    observations = load_observations(args.observations)
    calibration.save_calibration(calibration.calibrate(observations), len(observations))
    print(calibration.FILE)


def run_train(args: argparse.Namespace) -> None:
    from engine.reconstruct import train_lifter
    from engine.reconstruct.observations import load_observations

    train_lifter.save(train_lifter.train(load_observations(args.observations), steps=args.steps))
    print(train_lifter.FILE)


def run_convert(args: argparse.Namespace) -> None:
    from engine.reconstruct.convert import convert

    print(f"{convert(args.checkpoint, args.out)} tensors in {args.out}")


COMMANDS = {
    "floor": run_floor,
    "observe": run_observe,
    "calibrate": run_calibrate,
    "train": run_train,
    "convert": run_convert,
}

if __name__ == "__main__":
    main()
