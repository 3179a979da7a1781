"""PyTorch checkpoints: what torch.save writes is read by `mixmae convert`, and what it writes by torch.load.

    python3 tests/interop/torch_check.py build/mixmae

Both containers, whole training checkpoints with optimiser and arguments, strides, types, mmpretrain's names and its
order of channels in patch merging; torch.load runs with weights_only=True.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import warnings
import zipfile

import numpy as np
import torch
from safetensors.numpy import load_file
from safetensors import safe_open

from common import GEOMETRIES, Findings, image_size, program, random_model, write_model

NANO = dict(img_size=64, patch_size=4, embed_dim=32, depths=[1, 1, 2], num_heads=[2, 4, 8], window_size=[8, 8, 4])


def with_decoder(tensors, config, dim=96, depth=2, heads=6):
    """A pretraining model's tensors and configuration."""
    rng = np.random.default_rng(9)
    last = config["embed_dim"] << (len(config["depths"]) - 1)
    stride = config["patch_size"] << (len(config["depths"]) - 1)
    units = (config["img_size"] // stride) ** 2
    shapes = {"decoder_embed.weight": (dim, last), "decoder_embed.bias": (dim,), "mask_token": (1, 1, dim),
              "decoder_pos_embed": (1, units, dim), "decoder_norm.weight": (dim,), "decoder_norm.bias": (dim,),
              "decoder_pred.weight": (stride * stride * 3, dim), "decoder_pred.bias": (stride * stride * 3,)}
    for j in range(depth):
        for name, out, n in (("attn.qkv", 3 * dim, dim), ("attn.proj", dim, dim), ("mlp.fc1", 4 * dim, dim),
                             ("mlp.fc2", dim, 4 * dim)):
            shapes[f"decoder_blocks.{j}.{name}.weight"], shapes[f"decoder_blocks.{j}.{name}.bias"] = (out, n), (out,)
        for name in ("norm1", "norm2"):
            shapes[f"decoder_blocks.{j}.{name}.weight"] = shapes[f"decoder_blocks.{j}.{name}.bias"] = (dim,)
    made = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    return {**tensors, **made}, {**config, "decoder_dim": dim, "decoder_depth": depth, "decoder_num_heads": heads,
                                 "norm_pix_loss": True}


def as_torch(tensors):
    return {name: torch.from_numpy(value.copy()) for name, value in tensors.items()}


def buffers(config):
    """What the authors' files hold besides: indices and masks, to be dropped."""
    state = {}
    for k, depth in enumerate(config["depths"]):
        for j in range(depth):
            state[f"layers.{k}.blocks.{j}.attn.relative_position_index"] = torch.arange(16).reshape(4, 4)
        state[f"layers.{k}.blocks.0.attn_mask"] = torch.zeros(4, 4)
    return state


def training_checkpoint(tensors, config):
    """As a training program of PyTorch saves itself."""
    parameters = {name: torch.nn.Parameter(value) for name, value in as_torch(tensors).items()}
    optimizer = torch.optim.AdamW([{"params": list(parameters.values())[::2], "lr_scale": 0.7},
                                   {"params": list(parameters.values())[1::2]}], lr=1e-3)
    for p in parameters.values():
        p.grad = torch.randn_like(p)
    optimizer.step()
    module = torch.nn.ParameterDict({name.replace(".", "__"): p for name, p in parameters.items()})
    state = module.state_dict()  # an OrderedDict with _metadata
    for name in list(state):
        state[name.replace("__", ".")] = state.pop(name)
    state.update(buffers(config))
    arguments = argparse.Namespace(lr=1e-3, blr=None, model="base", norm_pix_loss=True, betas=(0.9, 0.95),
                                   device=torch.device("cpu"), output_dir="out", np=np.float64(0.5))
    saved = {name: p.detach().numpy().copy() for name, p in parameters.items()}
    return {"model": state, "optimizer": optimizer.state_dict(), "epoch": 599, "scaler": {"scale": 65536.0},
            "args": arguments}, saved


def convert(mixmae, source, target, *more):
    mixmae("convert", source, "--output", target, *more)
    return load_file(target) if target.endswith(".safetensors") else torch.load(target, weights_only=True)


def config_of(path):
    with safe_open(path, "np") as f:
        return json.loads(f.metadata()["config"])


def equal(a, b):
    return sorted(a) == sorted(b) and all(np.array_equal(np.asarray(a[n]), np.asarray(b[n])) for n in a)


def same_config(found, want):
    return all(found.get(key) == value for key, value in want.items())


def from_torch(found, mixmae, folder):
    """torch.save of whole checkpoints, in both containers."""
    tensors, config = with_decoder(random_model(NANO), NANO)
    for new, what in ((True, "zip"), (False, "legacy")):
        path, out = os.path.join(folder, what + ".pth"), os.path.join(folder, what + ".safetensors")
        checkpoint, saved = training_checkpoint(tensors, config)
        torch.save(checkpoint, path, _use_new_zipfile_serialization=new)
        read = convert(mixmae, path, out)
        found.add(equal(read, saved), f"{what}: {len(read)} tensors of a training checkpoint")
        found.add(same_config(config_of(out), {**config, "name": "nano"}), f"{what}: configuration from shapes")
        found.add("exp_avg" in mixmae("inspect", path), f"{what}: inspect lists the optimiser")
        torch.save(as_torch(tensors), path, _use_new_zipfile_serialization=new)
        found.add(equal(convert(mixmae, path, out), tensors), f"{what}: a plain state dict")
        odd = {name: value.flip(0) if name == "norm.bias" else value for name, value in as_torch(tensors).items()}
        odd["norm.bias"] = torch.from_numpy(np.repeat(tensors["norm.bias"], 3)).reshape(-1, 3)[:, 1]
        for name in list(odd):
            if name.endswith("fc1.weight"):
                odd[name] = odd[name].t().contiguous().t()  # stored by columns
        whole = torch.randn(3 * 128, 32)
        odd["layers.0.blocks.0.attn.qkv.weight"] = whole[96:192]  # part of a larger storage
        want = {name: value.numpy() for name, value in odd.items()}
        torch.save({"state_dict": odd}, path, _use_new_zipfile_serialization=new)
        found.add(equal(convert(mixmae, path, out), want), f"{what}: strides, slices, shared storages")
        for kind in (torch.float16, torch.bfloat16, torch.float64):
            torch.save({"model": {name: value.to(kind) for name, value in as_torch(tensors).items()}}, path,
                       _use_new_zipfile_serialization=new)
            want = {name: torch.from_numpy(value).to(kind).float().numpy() for name, value in tensors.items()}
            found.add(equal(convert(mixmae, path, out), want), f"{what}: {kind}")


def to_torch(found, mixmae, folder):
    """Our .pth under torch.load, and back."""
    for name, config in GEOMETRIES.items():
        ours, pth, back = (os.path.join(folder, "model" + end) for end in (".safetensors", ".pth", "2.safetensors"))
        tensors = write_model(ours, config)
        read = convert(mixmae, ours, pth)
        found.add(equal({n: v.numpy() for n, v in read["model"].items()}, tensors), f"{name}: weights_only load")
        found.add(equal(convert(mixmae, pth, back), tensors) and open(ours, "rb").read(8) is not None
                  and config_of(back)["window_size"] == config["window_size"], f"{name}: and back")
        with zipfile.ZipFile(pth) as z:
            aligned = True
            for entry in z.infolist():
                z.fp.seek(entry.header_offset)
                local = z.fp.read(30)
                start = entry.header_offset + 30 + int.from_bytes(local[26:28], "little") + int.from_bytes(local[28:30], "little")
                aligned &= start % 64 == 0
            found.add(z.testzip() is None and aligned and z.infolist()[0].filename == "archive/data.pkl",
                      f"{name}: checksums, data on 64 bytes")


def mm_names(name):
    part = "neck." if name.startswith("decoder") or name == "mask_token" else "backbone."
    return part + (name.replace("patch_embed.proj.", "patch_embed.projection.").replace("mlp.fc1.", "ffn.layers.0.0.")
                   .replace("mlp.fc2.", "ffn.layers.1."))


def mmpretrain(found, mixmae, folder):
    """mmpretrain's names; its patch merging is nn.Unfold, LayerNorm, Linear: the outputs must be ours."""
    tensors, config = with_decoder(random_model(NANO), NANO)
    path, out = os.path.join(folder, "mm.pth"), os.path.join(folder, "mm.safetensors")
    state = {mm_names(name): value for name, value in as_torch(tensors).items()}
    state["data_preprocessor.mean"] = torch.ones(3, 1, 1)
    torch.save({"meta": {"epoch": 300}, "state_dict": state}, path)
    read = convert(mixmae, path, out)
    found.add(sorted(read) == sorted(tensors), "mmpretrain: names")
    found.add(all(np.array_equal(read[n], tensors[n]) for n in read if "downsample" not in n), "mmpretrain: values")
    x = torch.randn(2, 32, 8, 8)
    theirs = torch.nn.functional.unfold(x, 2, stride=2).transpose(1, 2)
    cells = torch.stack([x[:, :, r::2, c::2] for c in (0, 1) for r in (0, 1)], 1)  # docs/FORMATS.md: row fastest
    ours = cells.flatten(3).permute(0, 3, 1, 2).reshape(2, 16, 128)

    def merge(cell, t, prefix):
        t = {n: torch.as_tensor(t[prefix + f"layers.0.downsample.{n}"]) for n in ("norm.weight", "norm.bias", "reduction.weight")}
        return torch.nn.functional.layer_norm(cell, (128,), t["norm.weight"], t["norm.bias"]) @ t["reduction.weight"].T

    gap = float((merge(theirs, state, "backbone.") - merge(ours, read, "")).abs().max())
    wrong = float((merge(theirs, state, "backbone.") - merge(ours, tensors, "")).abs().max())
    found.add(gap < 1e-5 < 0.1 < wrong, f"mmpretrain: patch merging differs by {gap:.1e} ({wrong:.1e} without the permutation)")


def refused(found, mixmae, folder):
    """What is no model is refused with the reason."""
    def expect(what, content, pattern, *more):
        path = os.path.join(folder, "bad.pth")
        torch.save(content, path)
        done = subprocess.run([mixmae.path, "convert", path, "--output", os.path.join(folder, "bad.safetensors"), *more],
                              capture_output=True, text=True)
        found.add(done.returncode in (2, 4) and pattern in done.stderr, f"refused: {what}")

    tensors, _ = with_decoder(random_model(NANO), NANO)
    state = as_torch(tensors)
    expect("a module", torch.nn.Linear(2, 2), "object of torch.nn.modules.linear.Linear")
    expect("a module as 'model'", {"model": torch.nn.Linear(2, 2)}, "save the model's state_dict()")
    expect("a missing tensor", {n: v for n, v in state.items() if n != "norm.bias"}, "norm.bias is missing")
    expect("a left-over tensor", {**state, "extra.weight": torch.ones(2)}, "extra.weight has no place")
    expect("another shape", {**state, "norm.bias": torch.ones(7)}, "expected shape [128], found [7]")
    expect("another model", state, "expected base", "--model", "base")
    program_path = os.path.join(folder, "script.pth")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2), torch.ones(1, 2)), program_path)
    done = subprocess.run([mixmae.path, "inspect", program_path], capture_output=True, text=True)
    found.add(done.returncode == 4 and "TorchScript" in done.stderr, "refused: TorchScript")


def main():
    mixmae, found = program(), Findings()
    print(f"  torch {torch.__version__}")
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        for check in (from_torch, to_torch, mmpretrain, refused):
            check(found, mixmae, folder)
    return found.end()


if __name__ == "__main__":
    sys.exit(main())
