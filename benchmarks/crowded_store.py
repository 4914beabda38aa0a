"""A store of many rows scattered around real ones, to search a large collection by real texts.

    python -m benchmarks.crowded_store data/store/sample/sample crowd/crowd/sample [--rows 100000]
    clipvec index model=sample dataset=sample dataset.name=crowd store.root=crowd
    CLIPVEC_SERVE=collection=crowd--sample bentoml serve
    python -m benchmarks.serve_load http://127.0.0.1:3000

Each row is a real row plus noise, for the same model, without thumbnails.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np

from clipvec.store import EMBEDDING, Row, Store, matrix

PART_ROWS = 5000
NOISE = 0.7
"""Length of the noise vector; real vectors have length 1."""


def crowd(real: Store, url: str, rows: int) -> Store:
    """Write ``rows`` rows around those of ``real`` into a store at ``url``."""
    columns = [EMBEDDING, "caption", *real.fingerprint.attributes]
    pieces = [piece for part in real.parts() for piece in real.read(part, columns)]
    vectors = np.concatenate([matrix(piece) for piece in pieces])
    known = [row for piece in pieces for row in piece.drop_columns([EMBEDDING]).to_pylist()]
    about = {**real.fingerprint.dataset, "name": "crowd"}
    fingerprint = replace(real.fingerprint, dataset=about, sharding_count=1, thumbnail=0)
    store = Store.create(url, fingerprint, real.model)
    writer, rng = store.writer(0), np.random.default_rng(0)
    for start in range(0, rows, PART_ROWS):
        chosen = rng.integers(0, len(vectors), min(PART_ROWS, rows - start))
        noise = rng.standard_normal((len(chosen), vectors.shape[1])).astype(np.float32)
        noisy = vectors[chosen] + NOISE * noise / np.linalg.norm(noise, axis=1, keepdims=True)
        noisy /= np.linalg.norm(noisy, axis=1, keepdims=True)
        writer.write_part(
            [row(start + i, known[c]) for i, c in enumerate(chosen)], noisy, start + len(chosen)
        )
    writer.commit({})
    return store


def row(number: int, like: dict[str, str | int | float | bool | None]) -> Row:
    """Return a row with the caption and the attributes of a real one."""
    attributes = {key: value for key, value in like.items() if key != "caption"}
    return Row(f"crowd/{number:07}", "", str(like["caption"]), 256, 256, None, attributes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("real", help="store to take rows from")
    parser.add_argument("url", help="store to write")
    parser.add_argument("--rows", type=int, default=100_000)
    given = parser.parse_args()
    store = crowd(Store.open(given.real), given.url, given.rows)
    print(f"{store.url}: {given.rows:,} rows of {store.fingerprint.model.dim} numbers")


if __name__ == "__main__":
    main()
