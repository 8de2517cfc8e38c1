from __future__ import annotations

import subprocess
import sys


def test_the_logic_imports_neither_gradio_nor_torch():
    """Everything but page.py; and nothing heavy until it is used."""
    code = (
        "import pkgutil, sys, importlib, demo.study\n"
        "names = [m.name for m in pkgutil.iter_modules(demo.study.__path__)]\n"
        "for name in set(names) - {'page', 'migrations', '__main__'}:\n"
        "    importlib.import_module(f'demo.study.{name}')\n"
        "heavy = {'gradio', 'torch', 'scipy', 'alembic', 'huggingface_hub', 'PIL', 'engine.engine'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert out.stdout.strip() == "[]"
