"""Opening an index together with the encoder that made it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipvec.store import GOLDEN_COSINE, Golden

if TYPE_CHECKING:
    from clipvec.config import ServeConfig
    from clipvec.index import VectorIndex
    from clipvec.model import Encoder


def open_both(settings: ServeConfig) -> tuple[VectorIndex, Encoder]:
    """Return the index and its encoder.

    Raises:
        CollectionError: there is no such collection.
        FingerprintError: the encoder is not the one that made it.
        ModelError: the encoder cannot be loaded.
    """
    from clipvec.index import open_index
    from clipvec.model import load_checked

    collection = open_index(settings.index, settings.collection)
    try:
        chosen = settings.model.over(collection.model_config)
        made, where = collection.fingerprint.model, f"the collection {collection.location}"
        return collection, load_checked(made, chosen, where)
    except BaseException:
        collection.close()
        raise


def same_golden(collection: VectorIndex, image: list[float], text: list[float]) -> bool:
    """Return whether a golden pair is the one that the index was made with."""
    return collection.fingerprint.model.golden.cosine(Golden(image, text)) >= GOLDEN_COSINE
