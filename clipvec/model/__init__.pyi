from .encoder import Encoder
from .identity import fingerprint_of
from .load import load_checked, load_encoder
from .preprocess import Preprocess
from .torch.encoder import TorchEncoder
from .torch.pack import pack

__all__ = [
    "Encoder",
    "Preprocess",
    "TorchEncoder",
    "fingerprint_of",
    "load_checked",
    "load_encoder",
    "pack",
]
