"""Bytes of RandAugment's operations against Pillow's, for every operation over many arguments and shapes:

    python3 tests/interop/augment_check.py build/mixmae

Builds tests/interop/augment_dump.c with the sources of the operations (the program is not used). Needs Pillow and NumPy; ends with 1
when any byte differs. Pillow's own functions are the reference: ImageOps, ImageEnhance, Image.transform and rotate.
"""
import os
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

NAMES = ["autocontrast", "equalize", "invert", "rotate", "posterize", "solarize", "solarize_add", "color", "contrast",
         "brightness", "sharpness", "shear_x", "shear_y", "translate_x", "translate_y"]


def solarize_add(image, add):
    table = [min(255, v + int(add)) if v < 128 else v for v in range(256)]
    return image.point(table * len(image.getbands()))


def posterize(image, bits):
    if bits >= 1:  # Pillow's own function takes 1 to 8 bits
        return ImageOps.posterize(image, int(bits))
    return image.point([v & ~(2 ** (8 - int(bits)) - 1) & 255 for v in range(256)] * len(image.getbands()))


def affine(image, matrix, fill):
    return image.transform(image.size, Image.AFFINE, matrix, Image.BICUBIC, fillcolor=fill)


def reference(name, image, v, fill):
    enhance = {"color": ImageEnhance.Color, "contrast": ImageEnhance.Contrast,
               "brightness": ImageEnhance.Brightness, "sharpness": ImageEnhance.Sharpness}
    if name in enhance:
        return enhance[name](image).enhance(v)
    return {
        "autocontrast": lambda: ImageOps.autocontrast(image),
        "equalize": lambda: ImageOps.equalize(image),
        "invert": lambda: ImageOps.invert(image),
        "rotate": lambda: image.rotate(v, Image.BICUBIC, fillcolor=fill),
        "posterize": lambda: posterize(image, v),
        "solarize": lambda: ImageOps.solarize(image, int(v)),
        "solarize_add": lambda: solarize_add(image, v),
        "shear_x": lambda: affine(image, (1, v, 0, 0, 1, 0), fill),
        "shear_y": lambda: affine(image, (1, 0, 0, v, 1, 0), fill),
        "translate_x": lambda: affine(image, (1, 0, v, 0, 1, 0), fill),
        "translate_y": lambda: affine(image, (1, 0, 0, 0, 1, v), fill),
    }[name]()


def arguments(name, rng, size):
    if name in ("autocontrast", "equalize", "invert"):
        return [0.0]
    if name == "rotate":
        return [-30, -27, -1.25, 0, 13.7, 27, 30] + list(rng.uniform(-30, 30, 4))
    if name == "posterize":
        return list(range(0, 9))
    if name == "solarize":
        return [0, 1, 26, 128, 255, 256]
    if name == "solarize_add":
        return [0, 1, 99, 110, 128]
    if name.startswith("shear"):
        return [-0.3, -0.27, 0.0, 0.25, 0.3] + list(rng.uniform(-0.3, 0.3, 4))
    if name.startswith("translate"):
        return [-0.45 * size, -3.0, -0.5, 0.0, 1.0, 0.405 * size] + list(rng.uniform(-0.45, 0.45, 3) * size)
    return [0.1, 0.19, 0.5, 0.99, 1.0, 1.5, 1.81, 1.9] + list(rng.uniform(0.1, 1.9, 4))


def images(rng):
    for width, height in [(1, 1), (2, 2), (3, 3), (2, 5), (7, 3), (16, 16), (33, 21), (64, 64)]:
        for channels in (1, 3):
            kinds = [rng.integers(0, 256, (height, width, channels)), rng.integers(60, 90, (height, width, channels)),
                     np.cumsum(np.ones((height, width, channels)), axis=1) * 3 % 256,
                     np.full((height, width, channels), 77)]
            for kind in kinds:
                yield kind.astype(np.uint8)


def build(folder):
    out = os.path.join(folder, "augment_dump")
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    sources = ["tests/interop/augment_dump.c"] + ["src/data/" + n for n in (
        "randaugment.c", "augment_colour.c", "augment_move.c")] + ["src/base/rng.c", "src/base/status.c"]
    subprocess.run(["cc", "-std=c11", "-O2", "-D_GNU_SOURCE", "-ffp-contract=off", "-Isrc", "-o", out, *sources, "-lm"],
                   check=True, cwd=root)
    return out


def main():
    rng = np.random.default_rng(1)
    total = bad = 0
    with tempfile.TemporaryDirectory() as folder:
        dump = subprocess.Popen([build(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for kind, name in enumerate(NAMES):
            checked = wrong = 0
            for pixels in images(rng):
                height, width, channels = pixels.shape
                image = Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels)
                fill = (124, 116, 104) if channels == 3 else 124
                for v in arguments(name, rng, width if name.endswith("x") else height):
                    head = f"{kind} {float(v)!r} {width} {height} {channels}\n".encode()
                    dump.stdin.write(head + pixels.tobytes() + bytes(fill if channels == 3 else [fill]))
                    dump.stdin.flush()
                    ours = np.frombuffer(dump.stdout.read(pixels.size), np.uint8)
                    theirs = np.asarray(reference(name, image, float(v), fill)).reshape(-1)
                    gap = int((ours != theirs).sum())
                    if gap and not wrong:
                        print(f"{name}({v}) on {width}x{height}x{channels}: {gap} bytes differ")
                    checked, wrong = checked + pixels.size, wrong + gap
            print(f"{name}: {checked} bytes, {wrong} differ")
            total, bad = total + checked, bad + wrong
    print(f"{total} bytes compared, {bad} differ")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
