"""Shards of a corpus: Parquet files that the `datasets` library reads, and a fast way into numpy.

Columns: key; image and mesh as {bytes, path} (WebP), which `datasets` decodes; hands, camera, captions,
semantics, attributes as JSON text.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.corpus.sample import Captions, Sample, Semantics
from engine.types import UserError, from_json, to_json

if TYPE_CHECKING:
    import datasets

WEBP = {"format": "WEBP", "quality": 94, "method": 3}
PICTURES = ("image", "mesh")
TEXTS = ("hands", "camera", "captions", "semantics", "attributes")


def write_shard(path: Path, samples: Iterable[Sample]) -> None:
    """Write all or nothing: the file appears under its name only when it is whole."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [_row(sample) for sample in samples]
    picture = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    schema = pa.schema(
        [("key", pa.string()), *((n, picture) for n in PICTURES), *((n, pa.string()) for n in TEXTS)]
    )
    features = {name: {"_type": "Image"} for name in PICTURES}
    features |= {name: {"dtype": "string", "_type": "Value"} for name in ("key", *TEXTS)}
    schema = schema.with_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    part = path.with_suffix(f".{os.getpid()}.part")
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), part, compression="zstd", row_group_size=50)
    part.replace(path)


def rows(path: Path) -> int:
    """How many pictures a shard holds, 0 when it is not there."""
    import pyarrow.parquet as pq

    return pq.ParquetFile(path).metadata.num_rows if path.exists() else 0


def count_rows(folder: str | Path, limit: int | None = None, split: str = "train") -> int:
    """How many pictures a corpus has, at most `limit`."""
    total = sum(map(rows, _files(folder, split)))
    return total if limit is None else min(total, limit)


def open_shards(folder: str | Path, split: str = "train") -> datasets.Dataset:
    """The shards as a datasets.Dataset: rows of the columns above, pictures decoded when read."""
    import datasets

    files = [str(p) for p in _files(folder, split)]
    return datasets.Dataset.from_parquet(files)


def load_arrays(
    folder: str | Path, columns: Iterable[str], limit: int | None = None, split: str = "train"
) -> dict[str, Any]:
    """{column: array or list} of the first `limit` rows, for training.

    Pictures become one (N, H, W, 3) uint8 array, JSON columns a list of plain data, keys a list of text.
    """
    columns = list(columns)
    out: dict[str, list] = {name: [] for name in columns}
    for row in iter_rows(folder, columns, limit, split):
        for name in columns:
            out[name].append(row[name])
    return {name: np.stack(v) if name in PICTURES else v for name, v in out.items()}


def iter_rows(
    folder: str | Path, columns: Iterable[str], limit: int | None = None, split: str = "train"
) -> Iterator[dict[str, Any]]:
    """{column: value}, one after the other: pictures as (H, W, 3) uint8 or None, JSON columns as plain data."""
    for row in _rows(folder, split, list(columns), limit):
        yield {name: _value(name, cell) for name, cell in row.items()}


def iter_samples(folder: str | Path, split: str = "train", limit: int | None = None) -> Iterator[Sample]:
    """The rows as Samples."""
    for value in iter_rows(folder, ["key", *PICTURES, *TEXTS], limit, split):
        yield Sample(
            key=value["key"], image=value["image"], mesh=value["mesh"], hands=from_json(value["hands"]),
            camera=from_json(value["camera"]), captions=Captions(**value["captions"]),
            semantics=Semantics(**value["semantics"]) if value["semantics"] else None,
            attributes=value["attributes"],
        )  # fmt: skip


def encode(image: np.ndarray) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, **WEBP)
    return buffer.getvalue()


def decode(data: bytes) -> np.ndarray:
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def _row(sample: Sample) -> dict[str, Any]:
    import dataclasses

    semantics = dataclasses.asdict(sample.semantics) if sample.semantics else None
    texts = {
        "hands": to_json(sample.hands), "camera": to_json(sample.camera),
        "captions": dataclasses.asdict(sample.captions), "semantics": semantics,
        "attributes": dict(sample.attributes),
    }  # fmt: skip
    pictures = {
        name: None if (image := getattr(sample, name)) is None else {"bytes": encode(image), "path": None}
        for name in PICTURES
    }
    return {"key": sample.key, **pictures, **{n: json.dumps(v, ensure_ascii=False) for n, v in texts.items()}}


def _value(name: str, cell: Any) -> Any:
    if name in PICTURES:
        return None if cell is None else decode(cell["bytes"])
    return json.loads(cell) if name in TEXTS else cell


def _files(folder: str | Path, split: str) -> list[Path]:
    files = sorted(Path(folder).glob(f"{split}-*.parquet"))
    if not files:
        raise UserError(
            f"There are no {split} pictures in {folder}; make them with `python -m engine.corpus make`.",
            code="no_corpus",
        )
    return files


def _rows(folder: str | Path, split: str, columns: list[str], limit: int | None) -> Iterator[dict[str, Any]]:
    import pyarrow.parquet as pq

    left = limit
    for path in _files(folder, split):
        for batch in pq.ParquetFile(path).iter_batches(batch_size=50, columns=columns):
            rows = batch.to_pylist()
            rows = rows if left is None else rows[:left]
            yield from rows
            if left is not None and (left := left - len(rows)) <= 0:
                return
