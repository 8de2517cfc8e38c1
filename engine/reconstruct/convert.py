"""A published checkpoint, which is a pickle, to safetensors, without running any code that it may hold.

To be run apart (`python -m engine.reconstruct convert`): the application itself reads safetensors only.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from pathlib import Path
from typing import Any

from engine.types import UserError

# Of the training, or MANO's own arrays, which their licence keeps in MANO's files.
_LEFT_OUT = re.compile(r"^(discriminator|mano|optimizer)\.")


class _Inert:
    """Stands for all classes and functions but tensors' own; whatever is asked, an empty dict comes."""

    def __new__(cls, *args: Any, **kwargs: Any) -> OrderedDict:
        return OrderedDict()  # torch's reader fills no other kind of object


def convert(checkpoint: str | Path, out: str | Path) -> int:
    """Write the tensors of `checkpoint`'s state dict to `out`; their number."""
    import torch
    from safetensors.torch import save_file

    path = Path(checkpoint)
    if not path.is_file():
        raise UserError(f"There is no file {path}.", code="no_file")
    try:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
        with torch.serialization.safe_globals([(_Inert, name) for name in names]):
            data = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises several kinds for what is no checkpoint
        raise UserError(
            f"{path.name} is not a checkpoint of tensors that can be read safely.", code="bad_file"
        ) from error
    state = data.get("state_dict", data) if isinstance(data, dict) else {}
    tensors = {
        name: value.detach().clone().contiguous()
        for name, value in state.items()
        if isinstance(value, torch.Tensor) and not _LEFT_OUT.match(name)
    }
    if not tensors:
        raise UserError(f"There are no tensors in {path.name}.", code="bad_file")
    save_file(tensors, str(out))
    return len(tensors)
