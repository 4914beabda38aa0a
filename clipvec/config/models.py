"""The ``model`` group: encoders and their runtimes."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator
from pydantic.dataclasses import dataclass

from clipvec.config.fields import STRICT, ModelName
from clipvec.config.kinds import Kind, Registry

if TYPE_CHECKING:
    from collections.abc import Mapping


class TorchRuntime(Kind):
    """PyTorch, on any device it supports."""

    kind = "torch"
    loads = "clipvec.model.torch.encoder:TorchEncoder"


class OnnxRuntime(Kind):
    """ONNX Runtime on the CPU."""

    kind = "onnx"
    loads = "clipvec.model.onnx.encoder:OnnxEncoder"
    extras = ("onnx",)


RUNTIMES: Registry[Kind] = Registry("clipvec.runtimes", (TorchRuntime, OnnxRuntime))
Runtime: TypeAlias = Annotated[str, AfterValidator(RUNTIMES.check)]
Precision: TypeAlias = Literal["auto", "fp32", "fp16", "bf16"]


@dataclass(frozen=True, config=STRICT)
class ModelConfig:
    """The encoder, and how it runs."""

    name: ModelName
    """Folder of the store."""
    arch: str
    """open_clip architecture, or ``sample``."""
    pretrained: str
    """open_clip tag, ``local-dir:<folder>``, or a weights file."""
    device: str = "auto"
    """``auto``, or a torch device such as ``cpu``, ``cuda``, ``cuda:1``, ``mps``."""
    precision: Precision = "auto"
    """``auto`` takes the fastest that the device supports natively, or what a store to which
    vectors are added was made with."""
    compile: bool = False
    """Compile the image tower with ``torch.compile``: slower startup, then more images/s."""
    runtime: Runtime = "torch"
    """``onnx``: ONNX Runtime on the CPU, which starts faster and uses less memory; the model is
    converted once. Needs: pip install 'clipvec[onnx]'."""

    @classmethod
    def of_store(cls, about: Mapping[str, Any]) -> ModelConfig:
        """Return the encoder of a store or an index, from what that says of it.

        Device and half precision are left to choose: this machine may have neither. fp32 stays,
        which a model is given for the same results on every processor.
        """
        kept = {key: about[key] for key in ("name", "arch", "pretrained")}
        return cls(**kept, precision="fp32" if about.get("precision") == "fp32" else "auto")

    @property
    def extras(self) -> tuple[str, ...]:
        """Extras of clipvec that the model and its runtime need."""
        runtime = RUNTIMES.get(self.runtime)
        return (*arch_extras(self.arch), *(runtime.extras if runtime else ()))

    @property
    def on_cpu(self) -> str:
        """The option that leaves a GPU without work; empty: it would be used."""
        if self.arch == "synthetic":
            return f"model={self.name}"
        if self.runtime == OnnxRuntime.kind:
            return f"model.runtime={self.runtime}"
        return "model.device=cpu" if self.device == "cpu" else ""

    @property
    def folder(self) -> Path | None:
        """The folder of ``local-dir:<folder>``; None: the weights have a name, or are a file."""
        folder = self.pretrained.removeprefix("local-dir:")
        return Path(folder) if folder != self.pretrained else None

    @property
    def inputs(self) -> dict[str, list[str]]:
        """The folder or file of its weights, by option; none for weights that have a name."""
        local = self.folder is not None or Path(self.pretrained).is_file()
        return {"model.pretrained": [self.pretrained]} if local else {}


@dataclass(frozen=True, config=STRICT)
class QueryModelConfig:
    """The query encoder; null options are taken from the collection."""

    name: ModelName | None = None
    """Name of the model: of several collections its own is taken. null: that in the store."""
    arch: str | None = None
    """open_clip architecture, or ``sample``; null: the one that made the collection."""
    pretrained: str | None = None
    """open_clip tag, ``local-dir:<folder>``, or a weights file; null: the collection's."""
    device: str | None = None
    """``auto``, or a torch device such as ``cpu``, ``cuda:1``; null: ``auto``."""
    precision: Precision | None = None
    """``auto`` takes the fastest that the device supports natively; null: ``fp32`` if the
    collection was made with that, else ``auto``."""
    compile: bool | None = None
    """Compile the image tower with ``torch.compile``; null: no."""
    runtime: Runtime | None = None
    """``onnx`` starts faster and uses less memory; null: ``torch``."""

    def over(self, made: ModelConfig) -> ModelConfig:
        """Return the collection's encoder with the options given here replaced."""
        return replace(made, **{k: v for k, v in asdict(self).items() if v is not None})

    @property
    def extras(self) -> tuple[str, ...]:
        """Extras of clipvec that the options given here need."""
        return self.over(ModelConfig("x", "", "")).extras


def arch_extras(arch: str) -> tuple[str, ...]:
    """Return the extras of clipvec that an architecture needs, without importing open_clip."""
    if arch == "sample":
        return ("sample",)
    package = find_spec("open_clip")
    assert package is not None
    assert package.origin is not None
    description = Path(package.origin).parent / "model_configs" / f"{arch}.json"
    if not description.is_file():
        return ()
    text = json.loads(description.read_text(encoding="utf-8")).get("text_cfg", {})
    hugging_face = text.get("hf_tokenizer_name") or text.get("hf_model_name")
    return ("transformers",) if hugging_face else ()
