from .decode import decode_image, thumbnail
from .fetch import is_transient
from .formats import Undecodable
from .open import open_dataset
from .ranges import span
from .record import Cursor, Dataset, Record, Reject, file_of
from .synthetic import Distribution, SyntheticDataset

__all__ = [
    "Cursor",
    "Dataset",
    "Distribution",
    "Record",
    "Reject",
    "SyntheticDataset",
    "Undecodable",
    "decode_image",
    "file_of",
    "is_transient",
    "open_dataset",
    "span",
    "thumbnail",
]
