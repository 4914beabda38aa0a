"""Projects a store's embeddings onto a plane."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from clipvec.extras import missing
from clipvec.projection.stored import NOWHERE, StoredProjection
from clipvec.store import EMBEDDING, matrix

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from clipvec.store import LivePart, Store

SAMPLE = 512
"""Maximum number of images on a page: t-SNE of 1,024 takes three times as long."""
PARTS = 32
"""Maximum number of part files read for it, however large the store is."""
TILE = 64
"""Longest side of an image on the plane, in pixels."""
LEAST = 8
"""Minimum number of rows to project."""
_COLUMNS = 32
"""Tiles per row of the image that holds all of them."""
_DIRECTIONS = 50
"""Principal components passed to t-SNE, as its authors advise."""
_QUALITY = 80


@dataclass(frozen=True)
class Projection:
    """Some images of a store and their positions."""

    points: np.ndarray
    """float32 [N, 2], between 0 and 1."""
    ids: list[str]
    captions: list[str]
    tiles: bytes | None
    """A JPEG of all N thumbnails, each in a square of `TILE` pixels, `_COLUMNS` to a row; None if
    the store has none."""
    rows: int
    """Rows of the whole store."""

    columns: int = _COLUMNS
    tile: int = TILE


def project(store: Store, seed: int = 0) -> Projection | None:
    """Return the projection of a sample: where ``clipvec projection`` placed its rows.

    Where it has not, t-SNE (van der Maaten and Hinton 2008) of their vectors places them, in a time
    and a memory that do not depend on the size of the store.

    Raises:
        ConfigError: scikit-learn is not installed.
        StoreError: a part or the stored projection cannot be read.
    """
    parts = store.parts()
    rows = sum(part.rows for part in parts)
    if rows < LEAST:
        return None
    table = _sample(store, parts, np.random.default_rng(seed))
    points = _known(store, table)
    if points is None:
        points = tsne(np.concatenate([matrix(piece) for piece in table.to_batches()]), seed)
    thumbnails = table["thumbnail"].to_pylist() if "thumbnail" in table.column_names else []
    return Projection(
        points=points,
        ids=table["id"].to_pylist(),
        captions=[caption or "" for caption in table["caption"].to_pylist()],
        tiles=_tiles(thumbnails) if any(thumbnails) else None,
        rows=rows,
    )


def _sample(store: Store, parts: Sequence[LivePart], random: np.random.Generator) -> pa.Table:
    """Return rows from some parts, equally many from each as far as it has them."""
    import pyarrow as pa

    chosen = [parts[i] for i in np.sort(random.permutation(len(parts))[:PARTS])]
    columns = [c for c in ("id", "caption", "thumbnail", EMBEDDING) if c in store.schema().names]
    left, found = SAMPLE, []
    # Smallest first: the larger ones make up for what they lack.
    for place, part in enumerate(sorted(chosen, key=lambda part: part.rows)):
        count = min(part.rows, left // (len(chosen) - place))
        wanted = np.sort(random.permutation(part.rows)[:count])
        first = 0
        for piece in store.read(part, columns):
            inside = wanted[(first <= wanted) & (wanted < first + len(piece))] - first
            found.append(piece.take(pa.array(inside)))
            first += len(piece)
        left -= count
    return pa.Table.from_batches(found)


def _known(store: Store, table: pa.Table) -> np.ndarray | None:
    """Return where the stored projection has some rows, float32 [N, 2]; None: it has not all."""
    import pyarrow.compute as pc

    made = StoredProjection.read(store.folder)
    if made is None:
        return None
    at = pc.index_in(table["id"], value_set=made.ids)
    if at.null_count:
        return None
    places: np.ndarray = made.points[at.to_numpy()] / np.float32(NOWHERE - 1)
    return places


def tsne(vectors: np.ndarray, seed: int) -> np.ndarray:
    """Return positions on a plane, float32 [N, 2], 0 to 1, for unit vectors, float32 [N, D].

    Raises:
        ConfigError: scikit-learn is not installed.
    """
    try:
        from sklearn.decomposition import PCA
        from sklearn.manifold import TSNE
        from threadpoolctl import threadpool_limits
    except ImportError as error:
        raise missing("the projection of the images", "dashboard", "scikit-learn") from error

    directions = min(_DIRECTIONS, *vectors.shape)
    reduced = PCA(directions, random_state=seed).fit_transform(vectors)
    perplexity = min(30.0, (len(vectors) - 1) / 3)
    placing = TSNE(init="pca", perplexity=perplexity, max_iter=500, random_state=seed)
    # of so few, threads would wait for each other in each round, and keep their cores busy with it
    with threadpool_limits(1 if len(vectors) <= SAMPLE else None, user_api="openmp"):
        plane = placing.fit_transform(reduced)
    low, high = plane.min(axis=0), plane.max(axis=0)
    places: np.ndarray = ((plane - low) / np.maximum(high - low, 1e-9)).astype(np.float32)
    return places


def _tiles(thumbnails: Sequence[bytes | None]) -> bytes:
    from PIL import Image

    height = -(-len(thumbnails) // _COLUMNS) * TILE
    sheet = Image.new("RGB", (_COLUMNS * TILE, height), "white")
    for number, jpeg in enumerate(thumbnails):
        if jpeg is None:
            continue
        with Image.open(io.BytesIO(jpeg)) as image:
            image.thumbnail((TILE, TILE))
            x, y = number % _COLUMNS * TILE, number // _COLUMNS * TILE
            place = (x + (TILE - image.width) // 2, y + (TILE - image.height) // 2)
            sheet.paste(image.convert("RGB"), place)
    buffer = io.BytesIO()
    sheet.save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()
