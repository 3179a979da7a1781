"""safetensors' own reader (NumPy's and torch's) loads our files, and files that it writes load here.

    python3 tests/interop/safetensors_check.py build/mixmae
"""
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import safetensors
import safetensors.numpy
import safetensors.torch
import torch

from common import (GEOMETRIES, Findings, channels, distance, image_size, metadata, program, random_model, short_runs,
                    write_model)


def by_hand(path):
    """The format's own words: length, JSON header, data."""
    with open(path, "rb") as f:
        raw = f.read()
    start = 8 + int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:start])
    header.pop("__metadata__", None)
    return {name: np.frombuffer(raw[start + t["data_offsets"][0]:start + t["data_offsets"][1]], "<f4").reshape(t["shape"])
            for name, t in header.items()}


def inspected(text):
    """name: (type, shape, statistics or None) of `mixmae inspect`'s table."""
    table = {}
    for line in text[text.index("  tensor "):].splitlines()[1:]:
        words = line.split()
        if len(words) < 2 or words[0].endswith(":"):
            continue
        shape = words[2] if len(words) in (3, 7) else ""
        table[words[0]] = (words[1], shape, [float(w) for w in words[-4:]] if len(words) >= 6 else None)
    return table


def ours_read_by_them(found, run, name):
    path = os.path.join(run, name)
    plain, arrays, tensors = by_hand(path), safetensors.numpy.load_file(path), safetensors.torch.load_file(path)
    same = plain and plain.keys() == arrays.keys() == tensors.keys() and all(
        np.array_equal(plain[n], arrays[n]) and np.array_equal(plain[n], tensors[n].numpy()) for n in plain)
    found.add(same, f"{name}: {len(arrays)} tensors read by safetensors.numpy and safetensors.torch")
    with safetensors.safe_open(path, "np") as f:
        found.add(f.metadata()["format"] == "pt" and "depths" in json.loads(f.metadata()["config"]), f"{name}: metadata")
    return arrays


def theirs_read_by_us(found, mixmae, folder):
    kinds = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "F64": torch.float64, "I64": torch.int64,
             "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool}
    path = os.path.join(folder, "kinds.safetensors")
    values = torch.arange(24).reshape(2, 3, 4)
    tensors = {"of_" + kind: values.to(dtype) for kind, dtype in kinds.items()}
    tensors["scalar"], tensors["nothing"] = torch.tensor(3.5), torch.zeros(0, 4)
    safetensors.torch.save_file(tensors, path, {"who": "safetensors"})
    text = mixmae("inspect", path)
    table = inspected(text)
    found.add(table.keys() == tensors.keys() and "who" in text, f"inspect: {len(table)} tensors of {len(tensors)}")
    for kind in kinds:
        type_, shape, numbers = table.get("of_" + kind, (None,) * 3)
        right = type_ == kind and shape == "2,3,4"
        if kind in ("F32", "F16", "BF16", "F64"):
            right = right and np.allclose(numbers, [0, 23, 11.5, np.arange(24).std()], rtol=5e-3)  # 3 digits are shown
        found.add(right, f"inspect: {kind}")
    found.add(table.get("scalar") == ("F32", "", [3.5, 3.5, 3.5, 0.0]) and table["nothing"][1] == "0,4", "inspect: no dimensions, no elements")


def models_of_theirs(found, mixmae, folder):
    """A classifier stored in half precision is the one whose weights were rounded beforehand."""
    config = GEOMETRIES["four stages"]
    images = np.random.default_rng(3).standard_normal((2, channels(config), *image_size(config))).astype(np.float32)
    exact = {n: torch.from_numpy(t) for n, t in random_model(config).items()}
    path = os.path.join(folder, "model.safetensors")

    def logits(tensors):
        safetensors.torch.save_file(tensors, path, metadata(config))
        return mixmae.forward(path, images, config["num_classes"], 0)

    whole = logits(exact)
    write_model(path, config)
    found.add(np.array_equal(whole, mixmae.forward(path, images, config["num_classes"], 0)), "model: torch's file and NumPy's")
    for dtype in (torch.float16, torch.bfloat16):
        half = logits({n: t.to(dtype) for n, t in exact.items()})
        rounded = logits({n: t.to(dtype).to(torch.float32) for n, t in exact.items()})
        gap = distance(half, whole)
        found.add(np.array_equal(half, rounded) and 0 < gap < 0.2, f"model: {dtype}, {gap:.1e} from f32")


def damage(found, mixmae, run, folder):
    """Where one refuses, so does the other."""
    with open(os.path.join(run, "model.safetensors"), "rb") as f:
        raw = f.read()
    size = int.from_bytes(raw[:8], "little")
    broken = {"a missing last byte": raw[:-1], "a byte too many": raw + b"\0", "half a header": raw[:8 + size // 2],
              "a header past the end": len(raw).to_bytes(8, "little") + raw[8:], "no brace": raw[:8] + b"[" + raw[9:], "empty": b""}
    path = os.path.join(folder, "broken.safetensors")
    for what, content in broken.items():
        with open(path, "wb") as f:
            f.write(content)
        try:
            safetensors.numpy.load_file(path)
            theirs = False
        except safetensors.SafetensorError:
            theirs = True
        ours = subprocess.run([mixmae.path, "inspect", path], capture_output=True).returncode == 4
        found.add(theirs and ours, f"refused: {what}")


def main():
    mixmae, found = program(), Findings()
    print(f"  safetensors {safetensors.__version__}, torch {torch.__version__}, numpy {np.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        run, tuned = short_runs(mixmae, folder)
        model, state = (ours_read_by_them(found, run, name) for name in ("model.safetensors", "state.safetensors"))
        found.add(all(np.array_equal(model[n], state["param." + n]) for n in model), "state and model hold the same weights")
        found.add("head.weight" in ours_read_by_them(found, tuned, "best.safetensors"), "the fine-tuned model has a head")
        theirs_read_by_us(found, mixmae, folder)
        models_of_theirs(found, mixmae, folder)
        damage(found, mixmae, run, folder)
    return found.end()


if __name__ == "__main__":
    sys.exit(main())
