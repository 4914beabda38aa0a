from .decode import DecoderCrashed, TooMuchMemory, TooSlow, decode_image, thumbnail
from .effort import LIGHT_PIXELS, announced_pixels, is_light
from .fetch import is_transient
from .formats import Undecodable, open_image
from .listing import Listing
from .open import open_dataset
from .original import NotShown, Original, open_original
from .ranges import span
from .record import Cursor, Dataset, GrowingDataset, Record, Reject, file_of
from .regular import drawn_lines, open_text
from .synthetic import Distribution, SyntheticDataset

__all__ = [
    "LIGHT_PIXELS",
    "Cursor",
    "Dataset",
    "DecoderCrashed",
    "Distribution",
    "GrowingDataset",
    "Listing",
    "NotShown",
    "Original",
    "Record",
    "Reject",
    "SyntheticDataset",
    "TooMuchMemory",
    "TooSlow",
    "Undecodable",
    "announced_pixels",
    "decode_image",
    "drawn_lines",
    "file_of",
    "is_light",
    "is_transient",
    "open_dataset",
    "open_image",
    "open_original",
    "open_text",
    "span",
    "thumbnail",
]
