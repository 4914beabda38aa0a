"""Opening an index together with the encoder that made it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from clipvec.errors import FingerprintError
from clipvec.files import file_state
from clipvec.service.encoding import QueryEncoder
from clipvec.store import GOLDEN_COSINE, Golden

if TYPE_CHECKING:
    from clipvec.config import ModelConfig, ServeConfig
    from clipvec.index import VectorIndex


def open_both(
    settings: ServeConfig, known: QueryEncoder | None = None
) -> tuple[VectorIndex, QueryEncoder]:
    """Return the index and its encoder, to be closed.

    Args:
        settings: name them.
        known: is shared, if it is the encoder that made the index.

    Raises:
        CollectionError: there is no such collection.
        FingerprintError: the encoder is not the one that made it.
        ModelError: the encoder cannot be loaded.
    """
    from clipvec.index import open_index
    from clipvec.model import fingerprint_of, load_checked

    collection = open_index(settings.index, *settings.wanted)
    try:
        if known is not None and _made(collection, known):
            return collection, known.shared()
        chosen = settings.model.over(collection.model_config)
        made, where = collection.fingerprint.model, f"the collection {collection.location}"
        source = (chosen, _weights(chosen))
        if known is not None and known.source == source:  # it would be loaded, and refused, again
            made.check(fingerprint_of(known.encoder), where, f"model={chosen.name}")
        return collection, QueryEncoder(load_checked(made, chosen, where), settings, source)
    except BaseException:
        collection.close()
        raise


def _made(collection: VectorIndex, known: QueryEncoder) -> bool:
    """Return whether an encoder makes the same vectors as the one that made an index."""
    from clipvec.model import fingerprint_of

    try:
        collection.fingerprint.model.check(fingerprint_of(known.encoder), "", "")
    except FingerprintError:
        return False
    return True


def _weights(model: ModelConfig) -> tuple[str | None, ...]:
    """Return what tells the files of an encoder from others in their place; of a tag, nothing."""
    place = model.folder or Path(model.pretrained)
    return tuple(map(file_state, [place, *sorted(place.glob("*"))]))


def same_golden(collection: VectorIndex, image: list[float], text: list[float]) -> bool:
    """Return whether a golden pair is the one that the index was made with."""
    return collection.fingerprint.model.golden.cosine(Golden(image, text)) >= GOLDEN_COSINE
