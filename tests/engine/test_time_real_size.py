"""The timing script, at toy size: the engine computes what diffusers' pipelines compute."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts" / "time_real_size.py"


def test_engine_and_diffusers_agree_and_everything_is_timed(tmp_path, capsys):
    spec = importlib.util.spec_from_file_location("time_real_size", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    import sys

    sys.modules[spec.name] = script  # dataclasses look their module up
    spec.loader.exec_module(script)
    rows = {
        row.name: row
        for row in script.main(
            ["--tiny", "--steps", "3", "--repeats", "1", "--json", str(tmp_path / "t.json")]
        )
    }
    assert len(rows) == 8
    assert all(row.seconds > 0 for row in rows.values())
    for name in ("Stable Diffusion, engine", "ControlNet, engine"):
        assert rows[name].difference < 1e-4
    assert "| SesaHand: all of it |" in capsys.readouterr().out
    assert len(json.loads((tmp_path / "t.json").read_text())["rows"]) == 8
