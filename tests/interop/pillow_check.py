"""Bytes of our image code against Pillow's: JPEG decoding and resizing of photographs, and small files of every
colour type that Pillow writes:

    python3 tests/interop/pillow_check.py build/mixmae [FOLDER]

FOLDER: photographs, JPEG; without one, pictures of its own. image_dump (lab/image_dump.c) must lie beside the program:
tools/interop builds it. Ends with 1 when any byte differs.
Use Pillow 9.5 to 12.0 (pip install pillow==12.0.0): there nothing differs. Pillow 13.0 changed the order of the
two passes for some sizes, so about 1.4 % of resized bytes differ from it, and from every earlier Pillow.
"""
import os
import random
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image, features

TYPES = {0: np.uint8, 1: np.uint16, 2: np.float32}
FILTER = {"bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC}


class Dump:
    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, path, channels, box=(0, 0, 0, 0), size=(0, 0), name="bicubic"):
        numbers = " ".join(str(v) for v in (channels, *box, *size))
        self.process.stdin.write(f"{numbers} {name} {path}\n".encode())
        self.process.stdin.flush()
        head = self.process.stdout.readline().decode().split()
        if head[0] == "error":
            raise RuntimeError(" ".join(head))
        width, height, count, kind, size = (int(v) for v in head)
        data = np.frombuffer(self.process.stdout.read(size), TYPES[kind])
        return data.reshape(height, width, count)


def difference(ours, theirs):
    """Number of differing samples and the largest difference."""
    theirs = np.asarray(theirs)
    theirs = theirs.reshape(theirs.shape[0], theirs.shape[1], -1)
    if ours.shape != theirs.shape:
        raise RuntimeError(f"shapes {ours.shape} and {theirs.shape}")
    gap = np.abs(ours.astype(np.int64) - theirs.astype(np.int64))
    return int((gap > 0).sum()), int(gap.max())


class Tally:
    def __init__(self, what):
        self.what, self.images, self.samples, self.bad, self.most = what, 0, 0, 0, 0

    def add(self, ours, theirs):
        bad, most = difference(ours, theirs)
        self.images, self.samples = self.images + 1, self.samples + ours.size
        self.bad, self.most = self.bad + bad, max(self.most, most)

    def report(self):
        print(f"{self.what}: {self.images} images, {self.samples} bytes, {self.bad} differ, by at most {self.most}")
        return self.bad


def photographs(dump, folder):
    draw = random.Random(1)
    decode, grey = Tally("decode to RGB"), Tally("decode to grey")
    resize = {name: Tally(f"crop and resize, {name}") for name in FILTER}
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        image = Image.open(path)
        rgb = image.convert("RGB")
        decode.add(dump.ask(path, 3), rgb)
        grey.add(dump.ask(path, 1), image.convert("L"))
        width, height = rgb.size
        for kind in FILTER:
            for size in ((224, 224), (96, 96), (draw.randint(1, 900), draw.randint(1, 900))):
                h, w = draw.randint(1, height), draw.randint(1, width)
                if size == (224, 224):
                    h, w = height, width
                top, left = draw.randint(0, height - h), draw.randint(0, width - w)
                theirs = rgb.crop((left, top, left + w, top + h)).resize(size[::-1], FILTER[kind])
                resize[kind].add(dump.ask(path, 3, (top, left, h, w), size, kind), theirs)
    return sum(t.report() for t in (decode, grey, *resize.values()))


def written_by_pillow(folder):
    """(path, modes to compare) of small files of every kind."""
    rng = np.random.default_rng(2)
    rgb = Image.fromarray(rng.integers(0, 256, (37, 53, 3), dtype=np.uint8))
    rgba = Image.fromarray(rng.integers(0, 256, (37, 53, 4), dtype=np.uint8))
    smooth = rgb.resize((211, 163), Image.BICUBIC)
    grey16 = Image.fromarray(rng.integers(0, 65536, (37, 53), dtype=np.uint16))
    jobs = [
        ("rgb.png", rgb, {}), ("rgba.png", rgba, {}), ("la.png", rgba.convert("LA"), {}),
        ("l.png", rgb.convert("L"), {}), ("bit.png", rgb.convert("1"), {}), ("p.png", rgb.quantize(200), {}),
        ("p4.png", rgb.quantize(11), {"bits": 4}), ("p2.png", rgb.quantize(4), {"bits": 2}),
        ("pt.png", rgb.quantize(200), {"transparency": 3}), ("grey16.png", grey16, {}),
        ("cmyk.jpg", smooth.convert("CMYK"), {}), ("l.jpg", smooth.convert("L"), {}),
        ("444.jpg", smooth, {"subsampling": 0, "quality": 95}), ("422.jpg", smooth, {"subsampling": 1}),
        ("420.jpg", smooth, {"subsampling": 2}), ("progressive.jpg", smooth, {"progressive": True}),
        ("keep.jpg", smooth, {"keep_rgb": True}), ("lossy.webp", smooth, {}), ("alpha.webp", rgba, {"quality": 60}),
        ("lossless.webp", rgb, {"lossless": True}), ("exact.webp", rgba, {"lossless": True, "exact": True}),
        ("rgb.tif", rgb, {}), ("rgba.tif", rgba, {}), ("la.tif", rgba.convert("LA"), {}), ("l.tif", rgb.convert("L"), {}),
        ("p.tif", rgb.quantize(200), {}), ("cmyk.tif", rgb.convert("CMYK"), {}), ("lzw.tif", rgb, {"compression": "tiff_lzw"}),
        ("zip.tif", rgb, {"compression": "tiff_adobe_deflate"}), ("pack.tif", rgb, {"compression": "packbits"}),
        ("jpeg.tif", smooth, {"compression": "jpeg"}), ("grey16.tif", grey16, {}),
        ("float.tif", Image.fromarray(rng.standard_normal((37, 53)).astype(np.float32)), {}),
    ]
    for name, image, options in jobs:
        path = os.path.join(folder, name)
        image.save(path, **options)
        yield path, image


def kinds(dump):
    total = 0
    with tempfile.TemporaryDirectory() as folder:
        for path, image in written_by_pillow(folder):
            opened = Image.open(path)
            wide = opened.mode in ("F", "I;16", "I")
            for channels, mode in ((1, "L"), (3, "RGB")):
                tally = Tally(f"{os.path.basename(path)} to {mode}")
                if wide:  # never cut to 8 bits: compared as stored
                    ours, theirs = dump.ask(path, channels), np.asarray(opened)
                    bad = int((ours != theirs[:, :, None]).sum())
                    print(f"{tally.what}: {ours.dtype}, {bad} differ")
                    total += bad
                else:
                    first = opened if channels == 3 else opened.convert("RGB") if opened.mode == "CMYK" else opened
                    tally.add(dump.ask(path, channels), first.convert(mode))
                    total += tally.report()
    return total


def draw_photographs(folder):
    """JPEGs of many sizes, qualities and samplings: noise on several scales, as photographs have it."""
    rng = np.random.default_rng(4)
    for i in range(12):
        width, height = (int(n) for n in rng.integers(60, 700, 2))
        image = np.zeros((height, width, 3))
        for scale in (4, 16, 64, 256):
            coarse = Image.fromarray(rng.integers(0, 256, (max(2, scale * height // 700), max(2, scale * width // 700), 3), dtype=np.uint8))
            image += np.asarray(coarse.resize((width, height), Image.BICUBIC)) / np.sqrt(scale)
        image = Image.fromarray(np.uint8(255 * image / image.max()))
        image.save(os.path.join(folder, f"{i:02}.jpg"), quality=int(rng.integers(40, 98)), subsampling=i % 3, progressive=i % 4 == 3)


def main():
    dump = Dump(os.path.join(os.path.dirname(os.path.abspath(sys.argv[1])), "image_dump"))
    print(f"Pillow {Image.__version__}, libjpeg-turbo {features.version('libjpeg_turbo')}")
    total = kinds(dump)
    if len(sys.argv) > 2:
        total += photographs(dump, sys.argv[2])
    else:
        with tempfile.TemporaryDirectory() as folder:
            draw_photographs(folder)
            total += photographs(dump, folder)
    print(f"{total} differing bytes in all")
    return total != 0


if __name__ == "__main__":
    sys.exit(main())
