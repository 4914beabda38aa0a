"""clipvec's figures beside those of clip-benchmark's own functions, on the same vectors.

    python -m benchmarks.clip_benchmark [--images 1000] [--dim 64]

It installs clip-benchmark (MIT) without its dependencies into a temporary folder, since those
of captioning need Java: what is needed of the rest, clipvec has. Retrieval and zero-shot
classification have to be equal; a difference is an error. The ratio is of the time of retrieval.
"""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.result import result
from clipvec.evaluate.captions import retrieval
from clipvec.evaluate.classify import zero_shot
from clipvec.store import Rows
from clipvec.vectors import unit
from tests.evaluate.stores import random_vectors, store_of, vectors_of

VERSION = "1.6.2"
KS = (1, 5, 10)
CLASSES, TEMPLATES = 20, ["a {c}", "a photo of a {c}", "the {c}"]


def installed(folder: Path) -> tuple[Any, Any]:
    """Return clip-benchmark's modules of retrieval and of zero-shot classification."""
    package = f"clip-benchmark=={VERSION}"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    subprocess.run([*pip, "--target", str(folder), package], check=True)
    sys.path.insert(0, str(folder))
    names = ("zeroshot_retrieval", "zeroshot_classification")
    found, kind = (importlib.import_module(f"clip_benchmark.metrics.{name}") for name in names)
    return found, kind


class Vectors:
    """A model of images and texts that are given by their numbers, and its tokenizer."""

    def __init__(self, images: np.ndarray, texts: np.ndarray) -> None:
        self._images, self._texts = torch.from_numpy(images), torch.from_numpy(texts)

    def encode_image(self, numbers: torch.Tensor) -> torch.Tensor:
        """Return the vectors of image numbers, int64 [N]."""
        return self._images[numbers]

    def encode_text(self, numbers: torch.Tensor) -> torch.Tensor:
        """Return the vectors of text numbers, int64 [N]."""
        return self._texts[numbers]

    @staticmethod
    def tokenize(texts: list[str]) -> torch.Tensor:
        """Return texts, which end in their numbers, as those."""
        return torch.tensor([int(text.rsplit(" ", 1)[-1]) for text in texts])


def of_captions(module: Any, images: np.ndarray, texts: np.ndarray) -> dict[str, float]:
    """Return clip-benchmark's recalls, where image n has caption n."""
    numbers = torch.arange(len(images))
    batches = [(some, [[f"caption {n}"] for n in some.tolist()]) for some in numbers.split(100)]
    model = Vectors(images, texts)
    options = {"device": "cpu", "amp": False, "recall_k_list": [*KS]}
    found: dict[str, float] = module.evaluate(model, batches, model.tokenize, **options)
    return found


def of_classes(
    module: Any, images: np.ndarray, texts: np.ndarray, true: np.ndarray
) -> tuple[float, float]:
    """Return clip-benchmark's accuracy and its mean over classes; text n is of class n // T.

    Its own last step, ``accuracy``, makes a number of an array, which NumPy 2.4 refuses.
    """
    model, numbers, count = Vectors(images, texts), torch.arange(len(images)), len(TEMPLATES)
    batches = [(some, torch.from_numpy(true)[some]) for some in numbers.split(100)]
    names = [str(number) for number in range(CLASSES)]
    templates = {name: [f"{int(name) * count + t}" for t in range(count)] for name in names}
    classifier = module.zero_shot_classifier(
        model, model.tokenize, names, templates, "cpu", amp=False
    )
    logits, target = module.run_classification(model, classifier, batches, "cpu", amp=False)
    predicted = logits.argmax(axis=1)
    right = float((predicted == target).float().mean())
    return right, float(module.balanced_accuracy_score(target, predicted))


def main() -> None:
    """Compare, and print a line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--dim", type=int, default=64)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        by_captions, by_classes = installed(Path(folder) / "packages")
        count = options.images
        captions = [f"caption {n}" for n in range(count)]
        rows: Rows = store_of(Path(folder), random_vectors(count, options.dim), captions)
        images = vectors_of(rows)
        texts = unit(images + 2.5 * random_vectors(count, options.dim, seed=1))
        started = time.perf_counter()
        mine = retrieval(rows, captions, texts, count, 0)
        ours = time.perf_counter() - started
        started = time.perf_counter()
        theirs = of_captions(by_captions, images, texts)
        took = time.perf_counter() - started
        for direction, name in (("text_to_image", "image"), ("image_to_text", "text")):
            for k in KS:
                one = float(mine[direction].ranks.recall_at(k).mean())  # type: ignore[index]
                check(f"{direction} recall@{k}", one, theirs[f"{name}_retrieval_recall@{k}"])
    true = np.random.default_rng(0).integers(0, CLASSES, count)
    of_texts = random_vectors(CLASSES * len(TEMPLATES), options.dim, seed=2)
    prompts = of_texts.reshape(CLASSES, len(TEMPLATES), -1)
    pictures = unit(prompts.mean(axis=1)[true] + 2 * random_vectors(count, options.dim, seed=3))
    right = zero_shot(pictures, prompts) == true
    accuracy, mean = of_classes(by_classes, pictures, of_texts, true)
    check("zero-shot accuracy", float(right.mean()), accuracy)
    balanced = float(np.mean([right[true == each].mean() for each in range(CLASSES)]))
    check("balanced accuracy", balanced, mean)
    print(result("retrieval beside clip-benchmark", took / ours, f"{took:.2f} s to {ours:.2f} s"))


def check(figure: str, ours: float, theirs: float) -> None:
    """Print a figure of both.

    Raises:
        AssertionError: they differ by more than clip-benchmark's rounding to float32.
    """
    print(f"{figure}: {ours:.6f}, clip-benchmark {theirs:.6f}")
    assert abs(ours - theirs) < 1e-6, figure


if __name__ == "__main__":
    main()
