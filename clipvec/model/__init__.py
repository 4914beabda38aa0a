"""Encoders: pictures and texts to vectors of unit length. torch and open_clip live only here."""

from clipvec.model.encoder import Encoder, load
from clipvec.model.packing import pack
from clipvec.model.preprocess import Preprocess

__all__ = ["Encoder", "Preprocess", "load", "pack"]
