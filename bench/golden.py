"""Writes the golden files that are ours: models of our own PyTorch program (pytorch_model.py), computed in double.

    python bench/golden.py tests/golden                 writes finetune_32 and pretrain_32_rawpix
    python bench/golden.py --check FILE...              compares a classifier's file with what this program computes

The authors' files check pytorch_model.py (pytorch_steps.py --check), so these hold what theirs do not.
Weights and inputs are drawn by PyTorch's generator and rounded to f32 before anything is computed with them.
"""
import argparse
import json
import sys
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from pytorch_model import MixMAE, optimizer

ENCODER = {"patch_size": 4, "embed_dim": 8, "depths": [1, 1, 2], "num_heads": [1, 2, 4], "window_size": [4, 4, 2]}
DECODER = {"decoder_dim": 16, "decoder_depth": 1, "decoder_num_heads": 2}
LR = 1e-3


class Classifier(MixMAE):
    """The encoder without a mask, the mean of its tokens, one linear layer."""
    def __init__(self, classes, **model):
        super().__init__(**model, **DECODER)
        for name in [n for n in self._modules | self._parameters | self._buffers if n.startswith("decoder_")] + ["mask_token"]:
            delattr(self, name)
        self.head = nn.Linear(self.norm.normalized_shape[0], classes)

    def forward(self, images):
        return self.head(self.encode(images, torch.zeros(self.units ** 2, dtype=torch.bool)).mean(1))


def loss_of(logits, targets):
    return -(targets * logits.log_softmax(-1)).sum(-1).mean()


def layer(name, depths):
    """Which step of the layer-wise decay a parameter belongs to (docs/TRAINING.md)."""
    part = name.split(".")
    if part[0] == "patch_embed":
        return 0
    if part[0] != "layers":
        return sum(depths)
    before = sum(depths[:int(part[1])])
    return 1 + (before + depths[int(part[1])] if part[2] == "downsample" else before + int(part[3]))


def groups(net, depths, layer_decay, weight_decay):
    """{name: [rate over the base rate, weight decay]}"""
    return {name: [layer_decay ** (sum(depths) + 1 - layer(name, depths)), weight_decay if p.ndim > 1 else 0.0]
            for name, p in net.named_parameters()}


def randomise(net, generator):
    """Every parameter away from its initial value, so that no zero hides a term."""
    for name, p in net.named_parameters():
        std = 0.3 / p.shape[1] ** 0.5 if name.endswith("weight") and p.ndim > 1 else 0.1
        p.data = (float(name.endswith("norm.weight") or ".norm" in name and name.endswith("weight")) +
                  std * torch.randn(p.shape, generator=generator)).float().double()
    net.absolute_pos_embed = net.absolute_pos_embed.float()
    return net.double()


def classify(net, t, about):
    """Everything the file of a classifier holds, from its weights, images and targets."""
    model, scales = json.loads(about["config"]), json.loads(about["lr_scale_and_weight_decay"])
    out = {"logits": net(t["images"])}
    out["loss"] = loss_of(out["logits"], t["targets"])[None]
    out["loss"].backward()
    out |= {"grad." + name: p.grad.clone() for name, p in net.named_parameters()}
    betas = tuple(map(float, about["betas"].split(",")))
    opt = torch.optim.AdamW([{"params": [p], "lr": float(about["lr"]) * scales[name][0], "weight_decay": scales[name][1]}
                             for name, p in net.named_parameters()], betas=betas, eps=float(about["eps"]))
    losses = []
    for _ in range(int(about["steps"])):
        opt.zero_grad()
        loss = loss_of(net(t["images"]), t["targets"])
        loss.backward()
        opt.step()
        losses.append(loss.detach())
    out["steps.losses"] = torch.stack(losses)
    return out | {"after." + name: p for name, p in net.named_parameters()}


def rounded(tensors):
    return {name: x.detach().float().contiguous().clone() for name, x in tensors.items()}


def weights(net):
    return {"param." + name: x for name, x in net.state_dict().items() if not name.endswith("_index")}


def text(**about):
    return {name: x if isinstance(x, str) else json.dumps(x) for name, x in about.items()}


def write_classifier(path):
    generator = torch.Generator().manual_seed(1)
    config = {"img_size": 32, **ENCODER, "num_classes": 5}
    net = randomise(Classifier(5, image_size=32, **ENCODER), generator)
    about = text(config=config, batch=3, lr=LR, betas="0.9,0.999", eps=1e-8, weight_decay=0.05, layer_decay=0.7, steps=2,
                 lr_scale_and_weight_decay=groups(net, ENCODER["depths"], 0.7, 0.05))
    given = rounded(weights(net) | {"images": torch.randn(3, 3, 32, 32, generator=generator),
                                    "targets": torch.rand(3, 5, generator=generator).square().softmax(-1)})
    made = classify(net, {name: x.double() for name, x in given.items()}, about)
    save_file(given | rounded(made), path, about)


def everywhere(net, z, mask):
    """Predictions at all positions, of mixed image i in row i (what mask chose) and row B+i (the rest)."""
    z, gap = net.decoder_embed(z), mask[None, :, None]
    x = torch.cat([torch.where(gap, net.mask_token, z), torch.where(gap, z, net.mask_token)]) + net.decoder_pos_embed
    for block in net.decoder_blocks:
        x = block(x)
    return net.decoder_pred(net.decoder_norm(x))


def write_raw_pixels(path):
    generator = torch.Generator().manual_seed(2)
    config = {"img_size": 32, **ENCODER, **DECODER}
    net = randomise(MixMAE(image_size=32, **ENCODER, **DECODER, norm_pix_loss=False), generator)
    about = text(config=config, batch=2, norm_pix_loss="False", lr=LR, betas="0.9,0.95", eps=1e-8, weight_decay=0.05, steps=1)
    mask = torch.tensor([1.0, 0, 0, 1])
    given = rounded(weights(net) | {"images": torch.randn(2, 3, 32, 32, generator=generator), "mask": mask,
                                    "steps.masks": mask.flip(0).roll(1)[None]})
    images, made, hooks = given["images"].double(), {}, []
    for k, stage in enumerate(net.layers):
        hooks.append(stage.register_forward_hook(lambda _m, _i, out, k=k: made.update({f"stage{k}": out.flatten(1, 2)})))
    hooks.append(net.norm.register_forward_hook(lambda _m, _i, out: made.update(features=out.flatten(1, 2))))
    made["loss"] = net(images, mask > 0)[None]
    for h in hooks:
        h.remove()
    made["loss"].backward()
    made |= {"grad." + name: p.grad.clone() for name, p in net.named_parameters()}
    made["reconstruction"] = everywhere(net, made["features"], mask > 0)
    opt = optimizer(net, LR, fused=False)
    opt.zero_grad()
    loss = net(images, given["steps.masks"][0] > 0)
    loss.backward()
    opt.step()
    made["steps.losses"] = loss[None]
    made |= {"after." + name: p for name, p in net.named_parameters()}
    save_file(given | rounded(made), path, about)


def distance(a, b):
    return float((a - b).norm() / b.norm())


def check(path):
    """A classifier's file: the largest distance of each kind of tensor."""
    with safe_open(path, "pt") as f:
        about, t = f.metadata(), {name: f.get_tensor(name).double() for name in f.keys()}
    config = json.loads(about["config"])
    model = {name: config[name] for name in ENCODER}
    net = Classifier(config["num_classes"], image_size=config["img_size"], **model).double()
    net.load_state_dict({name[6:]: x for name, x in t.items() if name.startswith("param.")})
    mine, stored = groups(net, model["depths"], float(about["layer_decay"]), 0.05), json.loads(about["lr_scale_and_weight_decay"])
    worst = {"groups": max(abs(a - b) for name in mine for a, b in zip(mine[name], stored[name]))}
    for name, x in classify(net, t, about).items():
        kind = name.split(".")[0]
        if name.startswith("after") and name.endswith("qkv.bias"):  # the key third is noise: tests/golden/README.md
            x, t[name] = (y.detach().unflatten(0, (3, -1))[[0, 2]] for y in (x, t[name]))
        worst[kind] = max(worst.get(kind, 0), distance(x.detach(), t[name]))
    limit = {"groups": 1e-12, "logits": 2e-6, "loss": 1e-6, "grad": 1e-5, "steps": 1e-6, "after": 1.5e-5}
    right = all(worst[kind] <= limit[kind] for kind in limit)
    print(path, ", ".join(f"{kind} {x:.1e}" for kind, x in worst.items()), "right" if right else "WRONG")
    return right


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folder", nargs="?", type=Path)
    p.add_argument("--check", nargs="+", metavar="FILE")
    a = p.parse_args()
    if a.check:
        return not all([check(path) for path in a.check])
    if not a.folder:
        p.error("give the folder to write to, or --check")
    torch.manual_seed(0)
    write_classifier(a.folder / "finetune_32.safetensors")
    write_raw_pixels(a.folder / "pretrain_32_rawpix.safetensors")


if __name__ == "__main__":
    sys.exit(main())
