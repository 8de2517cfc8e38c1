"""The study's page in Gradio: one component that runs static/study.js and passes its requests to the service.

Everything travels through the component's own server function: no picture has a URL, no answer lies in
Gradio's cache, and Gradio's queue and run history see nothing.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import gradio as gr

from demo.study.prepared import ROOT

STATIC = Path(__file__).parent / "static"
_SCRIPT = """
(async () => {
  const root = (window.gradio_config?.root || '').replace(/\\/$/, '');
  const file = name => `${root}/gradio_api/file=${FOLDER}/${name}`;
  if (!document.querySelector('link[data-study]')) {
    const link = document.createElement('link');
    Object.assign(link, { rel: 'stylesheet', href: file('study.css') }).dataset.study = '';
    document.head.append(link);
  }
  const { mount } = await import(file('study.js'));
  await mount(element.querySelector('.host'), { call: request => server.study(request) });
})().catch(error => {
  element.querySelector('.host').textContent = `This page could not start: ${error.message}`;
});
"""


def create_study_page(store_url: str | None = None, token: str | None = None, root: Path = ROOT) -> gr.HTML:
    """The participants' and the owner's screens, rendered where it stands.

    `store_url` None: SQLite in data/. `token` opens the results to the owner; None keeps them closed.
    The store is opened by the first request.
    """
    service: list[Any] = []
    opening = threading.Lock()

    def study(request: Any) -> dict[str, Any]:
        with opening:
            if not service:
                service.append(_service(store_url, token, root))
        return service[0].call(request)

    gr.set_static_paths([STATIC])
    return gr.HTML(
        html_template="<div class='host'></div>",
        js_on_load=_SCRIPT.replace("${FOLDER}", str(STATIC)),
        apply_default_css=False,
        server_functions=[study],
    )


def _service(store_url: str | None, token: str | None, root: Path) -> Any:
    from demo.study.prepared import Library
    from demo.study.service import StudyService
    from demo.study.store import DEFAULT_URL, Store

    return StudyService(Store.open(store_url or DEFAULT_URL), Library(root), token)
