#!/usr/bin/env bash
# pillow-jxl-plugin: Exif that it writes with compress_metadata=True is gone when it opens the file again.
#
# Versions: pillow-jxl-plugin 1.3.8, pillow 13.0.0, imagecodecs 2026.3.6.
# Guess: compress_metadata=True stores the same Exif in fewer bytes, and `getexif()` of the saved file gives it.
# Seen: `getexif()` is empty, without a word. Exif stands in the file, in a "brob" box (Brotli, part of
#   the JPEG XL standard), which the reader does not unpack: it looks for boxes named Exif alone
#   (JXLImageFile._open). Without the option Exif is read. XMP is written either way and read in neither.
# Matters: opening and saving again drops date, place, artist and orientation for good; a data set that
#   reads them has none for such files, as for those of other writers that compress their boxes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet \
  pillow-jxl-plugin==1.3.8 pillow==13.0.0 imagecodecs==2026.3.6
"$folder/venv/bin/python" - <<'PY'
import io

import imagecodecs
import pillow_jxl  # noqa: F401  (registers the format)
from PIL import Image

exif = Image.Exif()
exif[0x010F] = "Maker"
exif[0x0112] = 6
found = {}
for compress in (False, True):
    buffer = io.BytesIO()
    options = {"exif": exif.tobytes(), "xmp": b"<x:xmpmeta/>", "compress_metadata": compress}
    Image.new("RGB", (96, 64), "teal").save(buffer, "JXL", **options)
    data = buffer.getvalue()
    opened = Image.open(io.BytesIO(data))
    found[compress] = dict(opened.getexif())
    print(f"compress_metadata={compress}: Exif {found[compress]}, info {sorted(opened.info)}")
    assert "xmp" not in opened.info
start = data.index(b"brobExif") + 8
size = int.from_bytes(data[start - 12 : start - 8], "big") - 12
assert b"Maker" in imagecodecs.brotli_decode(data[start : start + size])
assert found[False] == {0x010F: "Maker", 0x0112: 6} and found[True] == {}
PY
