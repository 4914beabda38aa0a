"""Image to the encoder's input: resize and crop in one step, bytes out.

Gives what open_clip's own evaluation transform gives (open_clip/transform.py) before its
normalisation, which `clipvec.model.Encoder` does for a whole batch at once.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Mapping

_FILTERS = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "random": Image.Resampling.BICUBIC,  # open_clip evaluates "random" as bicubic
}


@dataclass(frozen=True)
class Preprocess:
    """Resize, crop or pad; the fields are those of open_clip's ``PreprocessCfg``."""

    height: int
    width: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str
    resize_mode: Literal["shortest", "longest", "squash"]
    fill_color: int

    @classmethod
    def from_open_clip(cls, config: Mapping[str, Any]) -> Preprocess:
        """Return the preprocessing that an open_clip ``PreprocessCfg`` dictionary describes."""
        size = config["size"]
        height, width = (size, size) if isinstance(size, int) else size[-2:]
        return cls(
            int(height),
            int(width),
            tuple(config["mean"]),
            tuple(config["std"]),
            config.get("interpolation") or "bicubic",
            config.get("resize_mode") or "shortest",
            config.get("fill_color") or 0,
        )

    @property
    def target(self) -> int:
        """Pixels that the shorter side of an image should keep when it is decoded."""
        return max(self.height, self.width)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, for the fingerprint."""
        values = asdict(self)
        return {**values, "mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Preprocess:
        """Return the preprocessing that `to_json` gave."""
        return cls(**{**values, "mean": tuple(values["mean"]), "std": tuple(values["std"])})

    def __call__(self, image: Image.Image) -> np.ndarray:
        """Return an RGB image as the encoder wants it: uint8 [height, width, 3]."""
        height, width = self._scaled(image.height, image.width)
        method = _FILTERS[self.interpolation]
        if height < self.height or width < self.width:
            canvas = Image.new("RGB", (self.width, self.height), (self.fill_color,) * 3)
            corner = (self.width - width) // 2, (self.height - height) // 2
            canvas.paste(image.resize((width, height), method), corner)
            return np.asarray(canvas)
        # Only the crop is computed: its box is mapped back into the source image.
        left, top = round((width - self.width) / 2), round((height - self.height) / 2)
        x, y = image.width / width, image.height / height
        box = (left * x, top * y, (left + self.width) * x, (top + self.height) * y)
        return np.asarray(image.resize((self.width, self.height), method, box=box))

    def _scaled(self, height: int, width: int) -> tuple[int, int]:
        """Return the size that open_clip scales the whole image to before it crops or pads."""
        if self.resize_mode == "squash":
            return self.height, self.width
        ratios = height / self.height, width / self.width
        if self.resize_mode == "longest":
            ratio = max(ratios)
        elif self.height != self.width:
            ratio = min(ratios)
        elif height < width:  # torchvision's Resize cuts the longer side down, does not round it
            return self.height, int(self.height * width / height)
        else:
            return int(self.width * height / width), self.width
        return max(1, round(height / ratio)), max(1, round(width / ratio))
