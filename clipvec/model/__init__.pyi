from .encoder import Encoder
from .identity import model_print
from .load import load_encoder
from .preprocess import Preprocess
from .torch.encoder import TorchEncoder
from .torch.pack import pack

__all__ = [
    "Encoder",
    "Preprocess",
    "TorchEncoder",
    "load_encoder",
    "model_print",
    "pack",
]
