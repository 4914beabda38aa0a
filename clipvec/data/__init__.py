"""Datasets: the images of one shard, still encoded, from tars, folders, Parquet or Hugging Face.

`open_dataset` takes a dataset's configuration and returns a `Dataset`; `decode` turns the bytes
of a `Record` into pixels. A reader is imported when a dataset of its kind is opened.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
