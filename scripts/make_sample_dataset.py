"""Make clipvec's sample dataset from Tux Paint's stamps.

The images come from the Debian package ``tuxpaint-stamps-default`` (GPL-2):

    apt-get download tuxpaint-stamps-default
    dpkg -x tuxpaint-stamps-default_*.deb stamps
    python scripts/make_sample_dataset.py \
        stamps/usr/share/tuxpaint/stamps clipvec/sample_data

The same package version and Pillow version give the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import itertools
import json
import re
import tarfile
from pathlib import Path

from PIL import Image

LONGEST_SIDE = 256
JPEG_QUALITY = 88
TAR_SIZES = (31, 78, 104)
"""Images per tar, except the last: uneven, as in real datasets."""

FOLDERS = (
    "animals/",
    "clothes/",
    "food/",
    "hobbies/",
    "household/",
    "medical/",
    "naturalforces/",
    "people/",
    "plants/",
    "space/",
    "sports/",
    "town/",
    "vehicles/",
)
"""Folders of things. Left out: letters, numbers, coins, weapons."""

CATEGORIES = {"hobbies/music": "music", "hobbies": "household", "naturalforces": "nature"}
"""Folders whose name differs from the category."""

DRAWINGS = {
    "clothes/armor/cartoon/knight_helmet",
    "food/dessert/cartoon/birthday_cake",
    "food/dessert/cartoon/pink_cake",
    "people/cartoon/mermaid",
    "people/cartoon/snowman",
    "town/houses/cartoon/fairytale_castle",
    "town/houses/cartoon/farm",
    "town/houses/cartoon/igloo",
    "town/houses/cartoon/swisshome",
    "town/houses/cartoon/tent",
    "town/houses/cartoon/windmill",
    "town/monuments/cartoon/eiffel_tower",
    "town/monuments/cartoon/pyramid",
    "vehicles/construction/cartoon/terex",
    "vehicles/flight/cartoon/eddieCopter",
    "vehicles/locomotive/cartoon/toy_train",
    "vehicles/masstransit/cartoon/double_decker_bus",
    "vehicles/ship/cartoon/tugboat",
}
"""The only drawings taken from cartoon folders: things without a photograph."""

PHOTOS_ELSEWHERE = {
    "military/paratrooper",
    "military/vehicles/f22_raptor",
    "seasonal/candle",
    "seasonal/christmas/Candy_cane_photo_1",
    "seasonal/christmas/Christmas_Tree_photo",
    "seasonal/christmas/Christmas_pudding",
    "seasonal/christmas/German_Christmas_toy",
    "seasonal/christmas/Mince_Pie",
    "seasonal/christmas/Roast_turkey",
    "seasonal/christmas/Santa",
    "seasonal/christmas/xmaswreath",
    "seasonal/halloween/grave-d",
    "seasonal/halloween/jackolantern_mean",
}
"""The only images from folders that are otherwise left out."""

DROPPED = {
    "animals/mammals/hedgehog",
    "food/nuts/walnut_shelled",
    "food/pizza",
    "household/cylinder",
    "medical/tooth",
    "naturalforces/explosion",
    "naturalforces/lightningbolt",
    "people/fireman200b",
    "plants/flowers/appooppanthady",
    "plants/flowers/plastic/chuvanna_plastic_poo",
    "plants/trees/rambutan",
    "town/monuments/inukshuk-outline",
    "vehicles/emergency/sedan_police",
}
"""Drawings among photographs, duplicate images, and captions that say nothing."""

ROADSIGNS = {"railroad_crossing", "stop", "traffic_cone"}
"""The only road signs taken: those that need no text."""

CAPTIONS = {
    "food/vegetables/broccoli": "Broccoli",
    "food/vegetables/corn": "Yellow corn",
    "household/toilet": "A toilet",
    "plants/mushrooms/cep-2": "Two ceps",
    "town/houses/cartoon/farm": "A farm",
}
"""Captions that speak to the child instead of naming the thing."""

_AFTER_THE_NAME = re.compile(
    r"[.!?;]( |$)|—| \(|, (?:from|also)|"
    r" (?:is|are|means|lets|resembles|called) "
)


def caption(text: str) -> str:
    """Return the name of the thing from a stamp's description: its first words."""
    first_line = text.strip().split("\n")[0]
    return _AFTER_THE_NAME.split(first_line)[0].replace("“", "").replace("”", "").strip()


def chosen(source: str) -> bool:
    """Tell whether a stamp, by its path without suffix, belongs to the sample."""
    if source in DROPPED or source.endswith("_mirror"):
        return False
    if source.startswith("town/roadsigns/"):
        return source.rsplit("/", 1)[-1] in ROADSIGNS
    if "/cartoon/" in source:
        return source in DRAWINGS
    return source.startswith(FOLDERS) or source in PHOTOS_ELSEWHERE


def category(source: str) -> str:
    """Return the subject of a stamp: its top folder, mostly."""
    folder = next((f for f in CATEGORIES if source.startswith(f + "/")), None)
    return CATEGORIES[folder] if folder else source.split("/", 1)[0]


def flat(path: Path) -> Image.Image:
    """Return a stamp as RGB over white, its longer side at most `LONGEST_SIDE` pixels."""
    image = Image.open(path).convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    image = Image.alpha_composite(white, image).convert("RGB")
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    return image


def sources(stamps: Path) -> list[str]:
    """Return the chosen stamps that have a description, as sorted paths without suffix."""
    found = (path.relative_to(stamps).with_suffix("") for path in stamps.rglob("*.png"))
    return sorted(
        source.as_posix()
        for source in found
        if chosen(source.as_posix()) and (stamps / source).with_suffix(".txt").exists()
    )


def members(stamps: Path, source: str) -> dict[str, bytes]:
    """Return the tar members of one sample by suffix."""
    path = stamps / source
    jpeg = io.BytesIO()
    flat(path.with_name(path.name + ".png")).save(jpeg, "JPEG", quality=JPEG_QUALITY, optimize=True)
    text = path.with_name(path.name + ".txt").read_text(encoding="utf-8")
    facts = {"category": category(source), "source": f"{source}.png"}
    return {
        "jpg": jpeg.getvalue(),
        "json": json.dumps(facts).encode(),
        "txt": CAPTIONS.get(source, caption(text)).encode(),
    }


def write_tar(path: Path, samples: list[tuple[str, dict[str, bytes]]]) -> None:
    """Write samples as one tar whose bytes depend only on their content."""
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for key, parts in samples:
            for suffix, content in parts.items():
                entry = tarfile.TarInfo(f"{key}.{suffix}")
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))


def main() -> None:
    """Read the folder of stamps and write the tars."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stamps", type=Path, help="usr/share/tuxpaint/stamps of the package")
    parser.add_argument("output", type=Path)
    args = parser.parse_args()
    found = sources(args.stamps)
    if not found:
        parser.error(f"no stamps in {args.stamps}; give the folder that holds animals/, food/, ...")
    # Shuffled by a hash, so that each tar is the same mixture of subjects everywhere.
    order = sorted(found, key=lambda source: hashlib.sha256(source.encode()).digest())
    bounds = [0, *(sum(TAR_SIZES[: n + 1]) for n in range(len(TAR_SIZES))), len(order)]
    for number, (first, last) in enumerate(itertools.pairwise(bounds)):
        numbers = range(len(order))[first:last]
        samples = [(f"{i:04d}", members(args.stamps, order[i])) for i in numbers]
        write_tar(args.output / f"sample-{number:04d}.tar", samples)
    print(f"{len(order)} images in {len(bounds) - 1} tars in {args.output}")


if __name__ == "__main__":
    main()
