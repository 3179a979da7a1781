"""What the checks share: the program under test, its library, and random models made from docs/FORMATS.md alone.

A check is `NAME_check.py PATH_OF_MIXMAE`: it prints what it compared and ends with 0 (agreed), 77 (cannot be tried
here, and says why) or anything else. Run by tools/interop.
"""
import ctypes
import json
import os
import subprocess
import sys

import numpy as np

FLOATS = ctypes.POINTER(ctypes.c_float)

# windows smaller than, equal to and cut to the grid; squares and rectangles; 1 to 4 stages; patches of 2, 4 and 8
GEOMETRIES = {
    "nano-like": dict(img_size=32, patch_size=2, embed_dim=32, depths=[1, 2, 1], num_heads=[1, 2, 4],
                      window_size=[4, 8, 4], num_classes=10),
    "wide image": dict(img_size=[32, 64], patch_size=4, embed_dim=24, depths=[2, 1], num_heads=[3, 6],
                       window_size=[4, 2], num_classes=7),
    "tall image, window cut to the grid": dict(img_size=[96, 32], patch_size=4, embed_dim=16, depths=[1, 1, 1],
                                               num_heads=[1, 2, 4], window_size=[8, 12, 6], num_classes=5),
    "four stages": dict(img_size=64, patch_size=4, embed_dim=32, depths=[1, 1, 2, 1], num_heads=[2, 4, 8, 16],
                        window_size=[8, 4, 4, 2], num_classes=101),
    "one stage, one channel": dict(img_size=24, patch_size=8, in_chans=1, embed_dim=8, depths=[2], num_heads=[2],
                                   window_size=[3], num_classes=2),
    "no head": dict(img_size=32, patch_size=4, embed_dim=16, depths=[1, 1], num_heads=[2, 2], window_size=[4, 4]),
}


def channels(config):
    return config.get("in_chans", 3)


def image_size(config):
    size = config["img_size"]
    return tuple(size) if isinstance(size, list) else (size, size)


def position_table(height, width, size):
    """docs/MODEL.md "From pixels to the loss": the first half of the channels tells the column."""
    def axis(n):
        angle = np.outer(np.arange(n), 10000.0 ** (-np.arange(size // 4) / (size // 4)))
        return np.concatenate([np.sin(angle), np.cos(angle)], 1)
    row, column = axis(height), axis(width)
    table = [np.concatenate([column[c], row[r]]) for r in range(height) for c in range(width)]
    return np.asarray(table, np.float32)[None]


def random_model(config, seed=1, head_std=1.0):
    """Tensors of docs/FORMATS.md with every weight random: nothing is left at 0 or 1 where it would hide an error."""
    rng = np.random.default_rng(seed)
    height, width = (s // config["patch_size"] for s in image_size(config))
    patch, size, tensors = config["patch_size"], config["embed_dim"], {}

    def normal(name, *shape, std):
        tensors[name] = (std * rng.standard_normal(shape)).astype(np.float32)

    def norm(name, n):
        normal(name + ".weight", n, std=0.2)
        tensors[name + ".weight"] += 1
        normal(name + ".bias", n, std=0.2)

    def linear(name, out, n):
        normal(name + ".weight", out, n, std=n ** -0.5)
        normal(name + ".bias", out, std=0.2)

    normal("patch_embed.proj.weight", size, channels(config), patch, patch, std=0.2)
    normal("patch_embed.proj.bias", size, std=0.2)
    norm("patch_embed.norm", size)
    tensors["absolute_pos_embed"] = position_table(height, width, size)
    for k, (depth, heads, window) in enumerate(zip(config["depths"], config["num_heads"], config["window_size"])):
        for j in range(depth):
            name = f"layers.{k}.blocks.{j}."
            norm(name + "norm1", size)
            rows = (2 * min(window, height) - 1) * (2 * min(window, width) - 1)
            normal(name + "attn.relative_position_bias_table", rows, heads, std=0.5)
            linear(name + "attn.qkv", 3 * size, size)
            linear(name + "attn.proj", size, size)
            norm(name + "norm2", size)
            linear(name + "mlp.fc1", 4 * size, size)
            linear(name + "mlp.fc2", size, 4 * size)
        if k + 1 < len(config["depths"]):
            norm(f"layers.{k}.downsample.norm", 4 * size)
            normal(f"layers.{k}.downsample.reduction.weight", 2 * size, 4 * size, std=(4 * size) ** -0.5)
            height, width, size = height // 2, width // 2, 2 * size
    norm("norm", size)
    if config.get("num_classes"):
        normal("head.weight", config["num_classes"], size, std=head_std)
        normal("head.bias", config["num_classes"], std=head_std)
    return tensors


def metadata(config):
    n = channels(config)
    pixels = dict(mean=[0.485, 0.456, 0.406][:n], std=[0.229, 0.224, 0.225][:n], value_range=0)
    return {"config": json.dumps(config), "pixels": json.dumps(pixels), "kind": "model", "format": "pt"}


def write_model(path, config, seed=1):
    from safetensors.numpy import save_file
    tensors = random_model(config, seed)
    save_file(tensors, path, metadata(config))
    return tensors


class LoadOptions(ctypes.Structure):
    """mixmae_load_options of include/mixmae.h"""
    _fields_ = [("max_batch", ctypes.c_int), ("threads", ctypes.c_int), ("device", ctypes.c_char_p),
                ("dtype", ctypes.c_char_p)]


class Outputs(ctypes.Structure):
    """mixmae_outputs of include/mixmae.h"""
    _fields_ = [("features", FLOATS), ("stage", FLOATS * 6), ("tokens", FLOATS), ("logits", FLOATS),
                ("probabilities", FLOATS)]


class Program:
    """The command and the shared library beside it."""

    def __init__(self, path):
        self.path, self.folder = os.path.abspath(path), os.path.dirname(os.path.abspath(path))
        self.library = None

    def __call__(self, *arguments):
        """Standard output of a run; ends the check when it fails."""
        done = subprocess.run([self.path, *map(str, arguments)], capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"mixmae {' '.join(map(str, arguments))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def forward(self, path, images, classes, features):
        """Logits, or pooled features of a model without a head, of normalised images; in f32 on any machine."""
        if not self.library:
            self.library = ctypes.CDLL(os.path.join(self.folder, "libmixmae.so"))
        model, text = ctypes.c_void_p(), ctypes.create_string_buffer(1024)
        how = LoadOptions(dtype=b"f32")
        if self.library.mixmae_model_load(ctypes.byref(model), path.encode(), ctypes.byref(how), text, ctypes.c_size_t(1024)):
            sys.exit(f"{path}: {text.value.decode()}")
        images = np.ascontiguousarray(images, np.float32)
        out = np.full((len(images), classes or features), np.nan, np.float32)
        wanted = Outputs(**{"logits" if classes else "features": out.ctypes.data_as(FLOATS)})
        bad = self.library.mixmae_model_forward(model, images.ctypes.data_as(FLOATS), ctypes.c_int64(len(images)),
                                                ctypes.byref(wanted), text, ctypes.c_size_t(1024))
        self.library.mixmae_model_free(model)
        if bad:
            sys.exit(f"{path}: {text.value.decode()}")
        return out


def short_runs(mixmae, folder):
    """Folders of a few steps of pretraining on drawn images, and of fine-tuning what came out."""
    images, run, tuned = (os.path.join(folder, name) for name in ("images", "run", "tuned"))
    mixmae("synth", "--output", images, "--classes", 3, "--images", 16, "--size", 32, "--seed", 1, "--quiet")
    steps = ("--data", images, "--batch-size", 16, "--epochs", 2, "--warmup-epochs", 1, "--log-every", 1, "--quiet")
    mixmae("pretrain", "--model", "nano", "--output", run, "--picture-every", 1, *steps)
    mixmae("finetune", "--init", os.path.join(run, "model.safetensors"), "--output", tuned, *steps)
    return run, tuned


def program():
    if len(sys.argv) < 2:
        sys.exit(f"usage: {sys.argv[0]} PATH_OF_MIXMAE")
    return Program(sys.argv[1])


def distance(ours, theirs):
    """Relative distance of two arrays, in double."""
    ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    if ours.shape != theirs.shape:
        return float("inf")
    gap = float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))
    return gap if np.isfinite(gap) else float("inf")


class Findings:
    """One line for each thing compared; end() gives the exit code."""

    def __init__(self):
        self.wrong = self.right = 0

    def add(self, right, what):
        print(("  agreed  " if right else "  DIFFERS ") + what)
        self.right, self.wrong = self.right + bool(right), self.wrong + (not right)

    def end(self):
        print(f"  {self.right} comparisons agreed, {self.wrong} did not")
        return 1 if self.wrong or not self.right else 0
