"""Train the heads of clipvec's sample model on emoji and stamps: a few minutes on one core.

    apt-get download tuxpaint-stamps-default
    dpkg -x tuxpaint-stamps-default_*.deb stamps
    for drawn in google twitter; do
        npm pack emoji-datasource-$drawn@16.0.0
        mkdir $drawn && tar -xzf emoji-datasource-$drawn-16.0.0.tgz -C $drawn
    done
    python scripts/train_sample_model.py --stamps stamps/usr/share/tuxpaint/stamps \
        --emoji google/package twitter/package --cache features.safetensors \
        --output clipvec/model/sample_heads.safetensors

No image of the sample dataset is trained on, and no stamp that shares a caption with it.
``--strict`` also leaves out the emoji with such a caption. ``--validate`` holds out a tenth of the
emoji and prints the recall on them. docs/sample-model.md has the figures for all three.
"""

from __future__ import annotations

import argparse
import json
import re
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from make_sample_dataset import caption
from PIL import Image
from torch.nn.functional import dropout, normalize, relu

from clipvec.locations import PACKAGE_SCHEME, package_file
from clipvec.model import Preprocess
from clipvec.model.torch import sample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

SAMPLE_DATA = Path(package_file(f"{PACKAGE_SCHEME}sample_data"))
SKIPPED_EMOJI = {"Component", "Flags", "Symbols"}
EPOCHS, BATCH, LEARNING_RATE, WEIGHT_DECAY, DROPOUT = 40, 512, 2e-3, 0.1, 0.3


@dataclass(frozen=True)
class Example:
    """A training image and the texts that match it."""

    key: str
    path: Path
    texts: tuple[str, ...]


def bare(text: str) -> str:
    """Return a caption in lower case without its article, to compare it with others."""
    return re.sub(r"^(an?|the|some) ", "", text.lower())


def sample_members(suffix: str) -> Iterator[bytes]:
    """Yield the members of the sample dataset that have a suffix, in order."""
    for path in sorted(SAMPLE_DATA.glob("*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                content = tar.extractfile(member)
                if content is not None and member.name.endswith(suffix):
                    yield content.read()


def sample_captions() -> list[str]:
    """Return the captions of the sample dataset, in order."""
    return [content.decode() for content in sample_members(".txt")]


def stamps(folder: Path) -> list[Example]:
    """Return the stamps that are not in the sample dataset and share no caption with it."""
    taken = {json.loads(content)["source"] for content in sample_members(".json")}
    captions = {bare(text) for text in sample_captions()}
    found = []
    for path in sorted(folder.rglob("*.png")):
        source, description = path.relative_to(folder).as_posix(), path.with_suffix(".txt")
        if source in taken or source.startswith("symbols/") or not description.exists():
            continue
        text = caption(description.read_text(encoding="utf-8")).lower()
        if bare(text) not in captions:
            found.append(Example(f"stamps/{source}", path, tuple({text: 0, bare(text): 0})))
    return found


def emoji(package: Path, strict: bool = False) -> list[Example]:
    """Return the emoji of an ``emoji-datasource`` package; if strict, without sample captions."""
    vendor = json.loads((package / "package.json").read_text())["name"].rsplit("-", 1)[-1]
    left_out = {bare(text) for text in sample_captions()} if strict else set()
    found = []
    for entry in json.loads((package / "emoji.json").read_text(encoding="utf-8")):
        path = package / "img" / vendor / "64" / entry["image"]
        if entry["category"] in SKIPPED_EMOJI or not path.exists():
            continue
        names = [entry["name"] or entry["short_name"], *entry["short_names"]]
        texts = dict.fromkeys(re.sub("[_-]", " ", name.lower()) for name in names)
        if left_out.isdisjoint(texts):
            subject = entry["subcategory"].rsplit("-", 1)[-1]
            key = f"{vendor}/{entry['unified']}"
            found.append(Example(key, path, (*texts, subject)))
    return found


def on_white(path: Path) -> Image.Image:
    """Return an image as RGB over white."""
    image = Image.open(path).convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


class Towers:
    """The two frozen towers: images to features [N, 1280], texts to unit vectors [N, 384]."""

    def __init__(self) -> None:
        self.model, self.tokenizer, self.classifier = sample.towers()
        self.preprocess = Preprocess.from_open_clip(sample.PREPROCESS)

    @torch.inference_mode()
    def image_features(self, examples: Sequence[Example], cache: Path) -> torch.Tensor:
        """Return the image features of examples, from the cache if it has them."""
        from safetensors.torch import load_file, save_file

        known = load_file(cache) if cache.exists() else {}
        missing = [example for example in examples if example.key not in known]
        for example in missing:
            pixels = torch.tensor(self.preprocess(on_white(example.path)))
            batch = pixels.float().div(127.5).sub(1).permute(2, 0, 1)[None]
            known[example.key] = self.model.visual(batch)[0].clone()
        if missing:
            save_file(known, cache)
        return torch.stack([known[example.key] for example in examples])

    @torch.inference_mode()
    def embed_texts(self, texts: Sequence[str]) -> torch.Tensor:
        """Return the embeddings of texts."""
        rows = []
        for first in range(0, len(texts), 128):
            ids = self.tokenizer(list(texts[first : first + 128]))
            ids = ids[:, : int((ids != 0).sum(1).max())]
            rows.append(normalize(self.model.text(ids), dim=-1))
        return torch.cat(rows).clone()


def class_texts() -> list[list[str]]:
    """Return, per ImageNet class, its names, then name and definition (WordNet's, from timm)."""
    from timm.data import ImageNetInfo

    info = ImageNetInfo()
    full = [info.index_to_description(n, detailed=True).lower() for n in range(sample.CLASSES)]
    return [[*text.split(": ")[0].split(", "), text] for text in full]


def class_names(texts: list[list[str]], embed: Callable[[Sequence[str]], torch.Tensor]) -> Any:
    """Return one embedding per class, halfway between its names and its definition [1000, 384]."""
    rows = []
    for *names, definition in texts:
        both = [embed(names).mean(0), embed([definition])[0]]
        rows.append(normalize(torch.stack(both), dim=-1).mean(0))
    return normalize(torch.stack(rows), dim=-1)


def contrastive(similarity: torch.Tensor, fits: torch.Tensor) -> torch.Tensor:
    """Return the symmetric contrastive loss when several texts may match an image."""
    loss = torch.zeros(())
    for logits, target in ((similarity, fits.float()), (similarity.T, fits.T.float())):
        share = target / target.sum(1, keepdim=True)
        loss = loss - (share * logits.log_softmax(1)).sum(1).mean()
    return loss


class Trainer:
    """Trains the trainable half of each head; the fixed half is not changed."""

    def __init__(self, towers: Towers, examples: Sequence[Example], features: torch.Tensor) -> None:
        self.features = features
        texts = sorted({text for example in examples for text in example.texts})
        number = {text: n for n, text in enumerate(texts)}
        self.choices = [[number[text] for text in example.texts] for example in examples]
        self.fits = torch.zeros(len(examples), len(texts), dtype=torch.bool)
        for row, choice in enumerate(self.choices):
            self.fits[row, choice] = True
        self.texts = towers.embed_texts(texts)
        of_classes = class_texts()
        self.class_texts = [towers.embed_texts(some) for some in of_classes]
        self.towards = normalize(towers.classifier["weight"], dim=-1)
        self.heads = sample.heads()
        self.heads["image"].fixed.classifier.load_state_dict(towers.classifier)
        self.heads["image"].fixed.names.copy_(class_names(of_classes, towers.embed_texts))
        self.scale = torch.nn.Parameter(torch.tensor(20.0).log())

    def train(self) -> None:
        """Run all epochs."""
        image, text = self.heads["image"].trained, self.heads["text"].trained
        weights = [*image.parameters(), *text.parameters(), self.scale]
        optimizer = torch.optim.AdamW(weights, LEARNING_RATE, weight_decay=WEIGHT_DECAY)
        batches = len(self.features) // BATCH
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, LEARNING_RATE, total_steps=EPOCHS * batches, pct_start=0.1
        )
        for epoch in range(EPOCHS):
            order = torch.randperm(len(self.features))
            for batch in order[: batches * BATCH].view(batches, BATCH):
                loss = self.loss(*self.pairs(batch)) + self.loss(*self.imagined(batch))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
            print(f"epoch {epoch + 1}/{EPOCHS}: loss {loss.item():.3f}", flush=True)

    def pairs(self, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return image features, one text for each, and which text matches which image."""
        chosen = torch.tensor([pick(self.choices[row]) for row in batch.tolist()])
        return self.features[batch], self.texts[chosen], self.fits[batch][:, chosen]

    def imagined(self, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return features pushed towards random ImageNet classes, and texts of those classes.

        There are no photographs to train on, but the trunk's classifier knows in which direction
        one would move the features.
        """
        classes = torch.randint(0, sample.CLASSES, (len(batch),))
        features = self.features[batch]
        far = (0.4 + torch.rand(len(batch), 1)) * features.norm(dim=1, keepdim=True)
        texts = torch.stack([pick(self.class_texts[n]) for n in classes.tolist()])
        return relu(features + far * self.towards[classes]), texts, classes[:, None] == classes

    def loss(self, features: torch.Tensor, texts: torch.Tensor, fits: torch.Tensor) -> torch.Tensor:
        """Return the loss of the trained halves only."""
        images = self.heads["image"].trained(dropout(features, DROPOUT))
        words = self.heads["text"].trained(texts)
        cosines = normalize(images, dim=-1) @ normalize(words, dim=-1).T
        return contrastive(self.scale.exp() * cosines, fits)

    def trained(self) -> dict[str, torch.Tensor]:
        """Return the state that `sample.build` loads: all but the packages' own weights."""
        state = self.heads.state_dict()
        return {
            name: tensor.half().contiguous()
            for name, tensor in state.items()
            if not name.startswith("image.fixed.classifier.")
        }


def pick(choices: Any) -> Any:
    """Return a random element, drawn by torch's generator."""
    return choices[int(torch.randint(len(choices), ()))]


def recall(images: torch.Tensor, captions: Sequence[str], texts: torch.Tensor) -> list[float]:
    """Return recall@1, 5 and 10: the share of distinct captions that find one of their images.

    ``texts`` holds the embeddings of ``sorted(set(captions))``.
    """
    best = (texts @ images.T).topk(10).indices.tolist()
    hits = [
        [captions[n] == query for n in rows]
        for rows, query in zip(best, sorted(set(captions)), strict=True)
    ]
    return [sum(any(row[:k]) for row in hits) / len(hits) for k in (1, 5, 10)]


def folder(name: str) -> Path:
    """Return an argument as an existing folder."""
    if not Path(name).is_dir():
        raise argparse.ArgumentTypeError(f"no folder {name}; --help says how to get it")
    return Path(name)


def main() -> None:
    """Read the examples, train, and write the heads or print the recall."""
    from safetensors.torch import save_file

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stamps", type=folder, required=True)
    parser.add_argument("--emoji", type=folder, nargs="+", required=True)
    parser.add_argument("--cache", type=Path, required=True, help="file that caches image features")
    parser.add_argument("--output", type=Path, help="file to write the heads to")
    parser.add_argument("--strict", action="store_true", help="no emoji with a sample caption")
    parser.add_argument("--validate", action="store_true", help="hold out a tenth of the emoji")
    args = parser.parse_args()
    if not (args.output or args.validate):
        parser.error("give --output FILE to write the heads, or --validate to print their recall")
    torch.manual_seed(0)
    torch.set_num_threads(1)

    towers = Towers()
    drawn = [example for package in args.emoji for example in emoji(package, args.strict)]
    names = sorted({example.key.split("/")[1] for example in drawn})
    held_names = set(names[::10] if args.validate else [])
    held = [example for example in drawn if example.key.split("/")[1] in held_names]
    examples = [*stamps(args.stamps), *(example for example in drawn if example not in held)]
    trainer = Trainer(towers, examples, towers.image_features(examples, args.cache))
    print(f"{len(examples)} images, {len(trainer.texts)} texts")
    trainer.train()
    if held:
        captions = [example.texts[0] for example in held]
        heads = trainer.heads.eval()
        with torch.inference_mode():
            images = heads["image"](towers.image_features(held, args.cache))
            texts = heads["text"](towers.embed_texts(sorted(set(captions))))
        print("held-out emoji, recall@1/5/10:", recall(images, captions, texts))
    if args.output:
        save_file(trainer.trained(), args.output)


if __name__ == "__main__":
    main()
