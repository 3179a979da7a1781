"""Every file of a folder, read by us and by Pillow:

    python3 tests/interop/images_check.py build/mixmae [FOLDER ...]

Counts, by kind: equal (every byte of the RGB picture), deep (more than 8 bits, kept here: the numbers are Pillow's, or
what Pillow's 8 bits were cut from, or tifffile's: Pillow 12.0 swaps the bytes of compressed big-endian TIFFs, and mixes
up the planes of 16-bit ones), different, refused here, refused there, refused by both. Names every file that is
different, and every one that only Pillow reads. Ends with 1 when one is different, when the program under it died, or
when a file of a kind that we read is refused here without standing in KNOWN (docs/DATA.md says the same in words).

Without a folder: the test images of Pillow's source package and all images among this environment's own packages.
image_dump (lab/image_dump.c) must lie beside the program: tools/interop builds it.
"""
import collections
import logging
import os
import re
import subprocess
import sys
import tarfile
import warnings

import numpy as np
import tifffile
from PIL import Image

from pillow_check import Dump

PILLOW = "12.0.0"
VERDICTS = ("equal", "deep", "different", "refused here", "refused there", "refused by both", "died")
READ = {"JPEG", "MPO", "PNG", "WEBP", "TIFF", "GIF", "BMP", "PPM"}  # Pillow's names of the kinds that we read
# What only Pillow reads, by our own words: docs/DATA.md, "What is not read".
KNOWN = ("CIE Lab", "Corrupt JPEG data", "expected pixels of at most 8 bits")


class Ours(Dump):
    """image_dump; begun again when it dies."""

    def __init__(self, program):
        self.program = program
        super().__init__(program)

    def picture(self, path, channels):
        try:
            return self.ask(path, channels), ""
        except RuntimeError as error:
            return None, str(error).removeprefix("error ")
        except (IndexError, ValueError, BrokenPipeError):
            super().__init__(self.program)
            return None, "died"


def theirs(path):
    """(Pillow's name of the kind, the image as stored, the same in RGB, what its 8 bits may be off by where ours are
    deeper); images are None when Pillow cannot."""
    kind = None
    try:
        with open(path, "rb") as file, Image.open(file) as opened:  # as torchvision does it
            kind = opened.format
            opened.load()
            deep = opened.mode.startswith(("I", "F"))
            gap = 1.0
            if opened.mode == "RGBA":  # both cut before it was divided by alpha, when it was
                gap += 510 / np.maximum(np.asarray(opened)[:, :, 3:], 1)
            return kind, np.asarray(opened), None if deep else np.asarray(opened.convert("RGB")), gap
    except Exception:  # whatever a reader of damaged files raises
        return kind, None, None, 0


def agree(ours, stored, rgb, gap):
    if ours.shape[:2] != stored.shape[:2]:
        return "different"
    if rgb is None:  # numbers deeper than 8 bits
        if ours.dtype == np.uint8:
            return "different"
        return "deep" if np.array_equal(ours[:, :, 0], stored.astype(ours.dtype), equal_nan=ours.dtype == np.float32) else "different"
    if ours.dtype == np.uint8:
        return "equal" if np.array_equal(ours, rgb) else "different"
    if ours.dtype == np.uint16:  # Pillow cut these, or rounded them
        return "deep" if (np.abs(ours / 257.0 - rgb) <= gap).all() else "different"
    return "different"


def as_tifffile(ours, path):
    """Are the numbers those that tifffile finds? It neither turns nor divides."""
    try:
        with tifffile.TiffFile(path) as file:
            page = file.pages[0]
            numbers = page.asarray()
            if page.planarconfig == 2 and numbers.ndim == 3:
                numbers = np.moveaxis(numbers, 0, -1)
    except Exception:  # as above
        return False
    numbers = numbers.reshape(*numbers.shape[:2], -1)[:, :, :3].astype(ours.dtype)
    return ours.dtype != np.uint8 and numbers.shape[:2] == ours.shape[:2] and np.array_equal(
        np.broadcast_to(numbers, ours.shape), ours, equal_nan=ours.dtype == np.float32)


def name_of_kind(path, kind):
    return kind or os.path.splitext(path)[1].lower() or "no ending"


def compare(ours, path):
    kind, stored, rgb, gap = theirs(path)
    picture, why = ours.picture(path, 3)
    if picture is None and stored is None:
        verdict = "died" if why == "died" else "refused by both"
    elif picture is None:
        verdict = "died" if why == "died" else "refused here"
    else:
        verdict = "refused there" if stored is None else agree(picture, stored, rgb, gap)
        if verdict == "different" and kind == "TIFF" and as_tifffile(picture, path):
            verdict = "deep"
    return name_of_kind(path, kind), verdict, why


def files_of(folders):
    for folder in folders:
        for root, below, names in os.walk(folder):
            below.sort()
            for name in sorted(names):
                path = os.path.join(root, name)
                if "\n" not in path and os.path.isfile(path) and os.path.getsize(path):
                    yield path


def check(program, folders):
    ours = Ours(os.path.join(os.path.dirname(os.path.abspath(program)), "image_dump"))
    table, bad, files = collections.defaultdict(collections.Counter), 0, 0
    for path in files_of(folders):
        kind, verdict, why = compare(ours, os.path.abspath(path))
        unread = kind.startswith(".") or kind == "no ending"
        if verdict == "refused by both" and unread:
            continue  # no image at all
        files += 1
        table[kind][verdict] += 1
        why = re.sub(r"^.*?: ", "", why, count=1)
        excused = verdict == "refused here" and (kind not in READ or any(word in why for word in KNOWN))
        if verdict in ("different", "died", "refused here") and not (verdict == "refused here" and kind not in READ):
            print(f"  {verdict}{' (documented)' if excused else ''}: {path} ({kind}) {why}")
        bad += verdict in ("different", "died") or (verdict == "refused here" and not excused)
    print("  " + " ".join(f"{v:>15}" for v in ("kind", *VERDICTS)))
    for kind in sorted(table):
        print("  " + " ".join(f"{v:>15}" for v in (kind, *(table[kind][v] for v in VERDICTS))))
    print("  " + " ".join(f"{v:>15}" for v in ("all", *(sum(t[v] for t in table.values()) for v in VERDICTS))))
    print(f"  {files} files, {bad} not as they should be")
    return bad or not files


def packaged():
    """Folders of images that packages bring: Pillow's own tests, fetched once, and this environment."""
    cache = os.path.join(sys.prefix, "test-images")
    if not os.path.isdir(cache):
        os.makedirs(cache + ".new", exist_ok=True)
        subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
                        "--no-binary", "pillow", "--dest", cache + ".new", f"pillow=={PILLOW}"], check=True)
        for name in os.listdir(cache + ".new"):
            with tarfile.open(os.path.join(cache + ".new", name)) as archive:
                wanted = [m for m in archive.getmembers() if "/Tests/images/" in m.name and m.isfile()]
                archive.extractall(cache + ".new", members=wanted)
            os.remove(os.path.join(cache + ".new", name))
        os.rename(cache + ".new", cache)
    return [cache, os.path.join(sys.prefix, "lib")]


def main():
    warnings.simplefilter("ignore")
    logging.disable(logging.ERROR)
    print(f"Pillow {Image.__version__}")
    folders = sys.argv[2:]
    if not folders:
        try:
            folders = packaged()
        except subprocess.CalledProcessError:
            print("Pillow's source package cannot be fetched")
            return 77
    return 1 if check(sys.argv[1], folders) else 0


if __name__ == "__main__":
    sys.exit(main())
