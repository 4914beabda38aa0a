from .encoder import Encoder
from .identity import fingerprint_of
from .images import ImageReader
from .load import load_checked, load_encoder
from .preprocess import Preprocess
from .texts import encode_texts
from .torch.device import choose_device
from .torch.encoder import TorchEncoder
from .torch.pack import pack

__all__ = [
    "Encoder",
    "ImageReader",
    "Preprocess",
    "TorchEncoder",
    "choose_device",
    "encode_texts",
    "fingerprint_of",
    "load_checked",
    "load_encoder",
    "pack",
]
