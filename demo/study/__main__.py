"""python -m demo.study {list, prepare, serve, export, analyse, power}"""

from __future__ import annotations

import argparse
import json
import logging
import os
import secrets
import sys
from pathlib import Path

from demo.study.prepared import ROOT
from engine.types import UserError

STORE = "HANDLAB_STUDY_STORE"
TOKEN = "HANDLAB_STUDY_TOKEN"
CACHE = Path(__file__).parents[2] / "cache"

log = logging.getLogger("demo.study")


def prepare(args: argparse.Namespace) -> None:
    from demo.study.definition import load
    from demo.study.prepare import prepare
    from engine.engine import Engine

    engine = Engine(args.profile, device=args.device, cache_dir=args.cache)
    made = prepare(load(args.study), engine, args.root)
    sys.stdout.write(
        f"{made.study.name}, version {made.version}: {len(made.methods)} methods, {made.folder}\n"
    )


def listing(args: argparse.Namespace) -> None:
    from demo.study import prepared
    from demo.study.definition import load, names, said

    for name in names():
        study = load(name)
        state = (
            f"version {prepared.current(name, args.root)}"
            if name in prepared.names(args.root)
            else "not prepared"
        )
        sys.stdout.write(f"{name}: {said(study.title)} ({len(study.stimuli)} stimuli, {state})\n")


def serve(args: argparse.Namespace) -> None:
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    import gradio as gr

    from demo.study.page import create_study_page

    token = args.token or os.environ.get(TOKEN)
    if token is None:
        token = secrets.token_urlsafe(12)
        sys.stdout.write(f"Owner's token for this run: {token}\n")
    with gr.Blocks(title="HandLab study") as demo:
        create_study_page(args.store, token, args.root)
    path = f"/?study={args.study}" if args.study else "/"
    sys.stdout.write(f"http://{args.host}:{args.port}{path}   results: /?owner\n")
    sys.stdout.flush()
    demo.launch(
        server_name=args.host,
        server_port=args.port,
        ssr_mode=False,
        footer_links=[],
        run_history=False,
        quiet=True,
    )


def export(args: argparse.Namespace) -> None:
    from demo.study import export
    from demo.study.prepared import load
    from demo.study.store import Store

    sys.stdout.write(
        export.write(
            export.dataset(Store.open(args.store), load(args.study, args.root, args.version)), args.format
        )
    )


def analyse(args: argparse.Namespace) -> None:
    from demo.study import report
    from demo.study.analysis import analyse
    from demo.study.export import read

    result = analyse(read(args.export))
    if args.json:
        sys.stdout.write(json.dumps(report.as_json(result), indent=1, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(report.text(result))


def power(args: argparse.Namespace) -> None:
    from demo.study import report
    from demo.study.power import plan_study

    pairs = args.methods - 1 if args.against else args.methods * (args.methods - 1) // 2
    plan = plan_study(
        share=args.share, wanted=args.power, ties=args.ties, comparisons=args.comparisons, pairs=pairs
    )
    sys.stdout.write(report.power_text(plan) + "\n")


def parser() -> argparse.ArgumentParser:
    from demo.study.store import DEFAULT_URL

    top = argparse.ArgumentParser(prog="python -m demo.study", description="Run a user study.")
    top.add_argument("--root", type=Path, default=ROOT, help="folder of prepared studies")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def command(run, about: str) -> argparse.ArgumentParser:
        sub = commands.add_parser({listing: "list"}.get(run, run.__name__), help=about, description=about)
        sub.set_defaults(run=run)
        return sub

    store = {"default": os.environ.get(STORE, DEFAULT_URL), "help": f"database; or set {STORE}"}
    command(listing, "the studies that are defined")

    sub = command(prepare, "make a study's pictures")
    sub.add_argument("study", help="a name in presets/studies, or a .yaml file")
    sub.add_argument("--profile", default="embedded")
    sub.add_argument("--device", help="default: a GPU if there is one")
    sub.add_argument("--cache", type=Path, default=CACHE, help="kept pictures, as the application's")

    sub = command(serve, "serve the study's page alone")
    sub.add_argument("study", nargs="?", help="printed as part of the link")
    sub.add_argument("--host", default="127.0.0.1")
    sub.add_argument("--port", type=int, default=7861)
    sub.add_argument("--store", **store)
    sub.add_argument("--token", help=f"opens the results; or set {TOKEN}; or one is made for this run")

    sub = command(export, "write the answers to standard output")
    sub.add_argument("study")
    sub.add_argument("--version", help="default: the current one")
    sub.add_argument("--format", choices=("json", "csv", "codebook"), default="json")
    sub.add_argument("--store", **store)

    sub = command(analyse, "the results page's numbers from an exported JSON file")
    sub.add_argument("export", type=Path)
    sub.add_argument("--json", action="store_true", help="every number, as JSON")

    sub = command(power, "how many participants a study needs")
    sub.add_argument("--share", type=float, default=0.67, help="the true preference to find")
    sub.add_argument("--power", type=float, default=0.8, help="the chance to find it")
    sub.add_argument("--ties", type=float, default=0.2, help="share of answers that decide nothing")
    sub.add_argument("--methods", type=int, default=2)
    sub.add_argument("--comparisons", type=int, default=9, help="a participant's, without checks")
    sub.add_argument("--against", action="store_true", help="one method against each other, not all pairs")
    return top


def main(arguments: list[str] | None = None) -> int:
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    log.setLevel(logging.INFO)
    args = parser().parse_args(arguments)
    try:
        args.run(args)
    except UserError as error:
        log.error("%s", error)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
