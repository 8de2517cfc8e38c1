"""From the command line's choices to a running server."""

from __future__ import annotations

import argparse
import logging
import mimetypes
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

from starlette.middleware import Middleware

from demo.interface import create_demo
from demo.middleware import ContentSecurityPolicy, QuickHead
from demo.services import Services
from demo.theme import STYLE, head, theme
from engine.types import UserError

logger = logging.getLogger(__name__)
_MOST_UPLOAD = "64mb"  # a .zip of this page; pictures are checked more strictly when they are opened
_OPEN_PROFILES = ("sd15",)  # these fetch from the hub, so the page may too


def serve(chosen: argparse.Namespace, root: Path) -> None:
    """Serve until the process ends. The page answers first; what it needs for a run is imported meanwhile."""
    services = replace(Services.load(_engine(chosen), root), may_tune=chosen.tuning)
    launch(services, chosen, prevent_thread_lock=False)


def launch(services: Services, chosen: argparse.Namespace, *, prevent_thread_lock: bool) -> Any:
    """Start the server; the demo, whose `close()` ends it when the caller goes on."""
    mimetypes.add_type("text/javascript", ".js")  # some systems' tables lack it, and modules need it
    # Without a URL the study keeps its own place under data/: answers must not lie in a cache that may be cleared.
    demo = create_demo(services, study_store=chosen.study, token=chosen.token)
    middleware = [Middleware(QuickHead)]
    if chosen.profile not in _OPEN_PROFILES:
        middleware.append(Middleware(ContentSecurityPolicy))
    demo.launch(
        server_name=chosen.host,
        server_port=chosen.port,
        share=chosen.share,
        mcp_server=chosen.mcp,
        theme=theme(),
        css_paths=STYLE,
        head=head(),
        app_kwargs={"middleware": middleware},
        max_file_size=_MOST_UPLOAD,
        blocked_paths=[str(chosen.cache)],
        footer_links=["api"],
        run_history=False,
        ssr_mode=False,
        quiet=True,
        prevent_thread_lock=True,
    )
    logger.info("HandLab is at %s", demo.local_url)
    if services.engine is not None:
        Thread(target=services.warm, name="warm-up", daemon=True).start()
    if not prevent_thread_lock:
        demo.block_thread()
    return demo


def _engine(chosen: argparse.Namespace) -> Any | None:
    if chosen.gallery_only:
        return None
    from engine.engine import Engine
    from engine.hand import use_mano

    try:
        if chosen.mano is not None:
            use_mano(chosen.mano)
        return Engine(chosen.profile, device=chosen.device, cache_dir=chosen.cache)
    except UserError as error:
        if chosen.mano is not None:
            raise SystemExit(str(error)) from None
        logger.error("%s The page shows shipped results only.", error)
        return None
