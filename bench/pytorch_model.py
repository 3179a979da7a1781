"""MixMAE's pretraining model in PyTorch, written from docs/MODEL.md, as something to compare speed with.

Meant to be what a good PyTorch programmer would write and no straw man. What costs nothing to say in PyTorch is used:
  - windows are never shifted, so tokens lie in window order for a whole stage: one partition a stage, none in a block;
  - the additive mask (same image or -inf) is made once a step and stage, and joined with the bias table once a block;
  - norm and prediction of the decoder run at the positions alone that reach the loss;
  - decoder attention is PyTorch's fused kernel; encoder attention has a trained bias, for which that kernel has
    no backward on a CPU: `attention` chooses between PyTorch's own fallback and three lines of ours.
Parameters bear the authors' names, so checkpoints load as they are.
"""
import math

import torch
import torch.nn.functional as F
from torch import nn


def position_table(side, width):
    """[1, side², width], fixed: the first half of the channels tells the column, the second the row."""
    omega = 10000.0 ** (-torch.arange(width // 4, dtype=torch.float64) / (width // 4))
    angle = torch.arange(side, dtype=torch.float64)[:, None] * omega
    axis = torch.cat([angle.sin(), angle.cos()], 1)
    column = axis[None].expand(side, -1, -1)
    return torch.cat([column, column.transpose(0, 1)], 2).reshape(1, side * side, width).float()


def relative_index(window):
    """Row of the bias table for each query and key of a window, [window⁴]."""
    at = torch.arange(window * window)
    row, column = at // window, at % window
    delta_row, delta_column = row[:, None] - row[None], column[:, None] - column[None]
    return ((delta_row + window - 1) * (2 * window - 1) + delta_column + window - 1).flatten()


def to_windows(x, window):
    """[B, H, W, C] -> [B, windows, window², C]"""
    b, h, w, c = x.shape
    x = x.view(b, h // window, window, w // window, window, c).transpose(2, 3)
    return x.reshape(b, -1, window * window, c)


def from_windows(x, side, window):
    """The way back: [B, windows, window², C] -> [B, side, side, C]"""
    b, c, n = x.shape[0], x.shape[-1], side // window
    return x.view(b, n, n, window, window, c).transpose(2, 3).reshape(b, side, side, c)


class Mlp(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


class Attention(nn.Module):
    """Over all tokens, or with a window inside windows with a bias table and a mask."""
    kind = "plain"  # of windows: "plain" or "sdpa"

    def __init__(self, width, heads, window=None):
        super().__init__()
        self.heads, self.window = heads, window
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        if window:
            self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
            self.register_buffer("relative_position_index", relative_index(window), persistent=False)

    def windows(self, q, k, v, mask):
        """q, k, v [B·windows, heads, N, D], mask [windows, 1, N, N]"""
        n, d = q.shape[2:]
        bias = self.relative_position_bias_table.index_select(0, self.relative_position_index)
        bias = bias.t().reshape(self.heads, n, n) + mask  # [windows, heads, N, N]
        bias = bias.to(q.dtype).flatten(0, 1)
        q, k, v = (t.reshape(-1, bias.shape[0], n, d) for t in (q, k, v))
        if self.kind == "sdpa":
            out = F.scaled_dot_product_attention(q, k, v, attn_mask=bias[None])
        else:
            logits = (q * (1 / math.sqrt(d))) @ k.transpose(-2, -1)
            out = logits.add_(bias).softmax(-1).to(v.dtype) @ v
        return out.view(-1, self.heads, n, d)

    def forward(self, x, mask=None):
        shape = x.shape
        x = x.flatten(0, -3)
        n, tokens, width = x.shape
        q, k, v = self.qkv(x).view(n, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        out = self.windows(q, k, v, mask) if self.window else F.scaled_dot_product_attention(q, k, v)
        return self.proj(out.transpose(1, 2).reshape(n, tokens, width)).view(shape)


class Block(nn.Module):
    def __init__(self, width, heads, window=None):
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(width), Attention(width, heads, window)
        self.norm2, self.mlp = nn.LayerNorm(width), Mlp(width)

    def forward(self, x, mask=None):
        x = x + self.attn(self.norm1(x), mask)
        return x + self.mlp(self.norm2(x))


class Merging(nn.Module):
    """[B, H, W, C] -> [B, H/2, W/2, 2C]; the four tokens of a cell with the row's parity fastest."""
    def __init__(self, width):
        super().__init__()
        self.norm, self.reduction = nn.LayerNorm(4 * width), nn.Linear(4 * width, 2 * width, bias=False)

    def forward(self, x):
        b, h, w, c = x.shape
        x = x.view(b, h // 2, 2, w // 2, 2, c).permute(0, 1, 3, 4, 2, 5).reshape(b, h // 2, w // 2, 4 * c)
        return self.reduction(self.norm(x))


class Stage(nn.Module):
    def __init__(self, width, depth, heads, window, side, last):
        super().__init__()
        self.side, self.window = side, min(window, side)
        self.blocks = nn.ModuleList(Block(width, heads, self.window) for _ in range(depth))
        self.downsample = None if last else Merging(width)

    def mask(self, unit_mask):
        """[windows, 1, N, N]: 0 where query and key are of the same image, else -inf. unit_mask [g, g]"""
        times = self.side // unit_mask.shape[0]
        group = unit_mask.repeat_interleave(times, 0).repeat_interleave(times, 1)
        group = to_windows(group[None, :, :, None], self.window)[0, :, :, 0]
        other = group[:, None, :, None] != group[:, None, None, :]
        return torch.zeros(other.shape).masked_fill_(other, -math.inf)

    def forward(self, x, unit_mask):
        mask, x = self.mask(unit_mask), to_windows(x, self.window)
        for block in self.blocks:
            x = block(x, mask)
        x = from_windows(x, self.side, self.window)
        return self.downsample(x) if self.downsample else x


class PatchEmbed(nn.Module):
    def __init__(self, width, patch):
        super().__init__()
        self.proj, self.norm = nn.Conv2d(3, width, patch, patch), nn.LayerNorm(width)

    def forward(self, images):
        return self.norm(self.proj(images).permute(0, 2, 3, 1))


class MixMAE(nn.Module):
    def __init__(self, image_size, patch_size, embed_dim, depths, num_heads, window_size, decoder_dim, decoder_depth,
                 decoder_num_heads, norm_pix_loss=True, **_):
        super().__init__()
        last = len(depths) - 1
        side, width = image_size // patch_size, embed_dim
        self.stride, self.norm_pix_loss = patch_size << last, norm_pix_loss
        self.units = image_size // self.stride
        self.patch_embed = PatchEmbed(width, patch_size)
        self.register_buffer("absolute_pos_embed", position_table(side, width))
        self.layers = nn.ModuleList(
            Stage(width << k, depths[k], num_heads[k], window_size[k], side >> k, k == last) for k in range(last + 1))
        self.norm = nn.LayerNorm(width << last)
        self.decoder_embed = nn.Linear(width << last, decoder_dim)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, decoder_dim))
        self.register_buffer("decoder_pos_embed", position_table(self.units, decoder_dim))
        self.decoder_blocks = nn.ModuleList(Block(decoder_dim, decoder_num_heads) for _ in range(decoder_depth))
        self.decoder_norm = nn.LayerNorm(decoder_dim)
        self.decoder_pred = nn.Linear(decoder_dim, self.stride ** 2 * 3)
        self.apply(self.initialise)
        for name, p in self.named_parameters():
            if name.endswith("bias_table") or name == "mask_token":
                nn.init.trunc_normal_(p, std=0.02)

    @staticmethod
    def initialise(module):
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)

    def draw_mask(self, ratio=0.5):
        """[L] bool, int(L·ratio) units are of the paired image."""
        order = torch.rand(self.units ** 2).argsort()
        mask = torch.zeros(self.units ** 2, dtype=torch.bool)
        mask[order[:int(len(order) * ratio)]] = True
        return mask

    def encode(self, images, mask):
        x = self.patch_embed(images)
        unit_mask = mask.view(self.units, self.units)
        times = x.shape[1] // self.units
        paired = unit_mask.repeat_interleave(times, 0).repeat_interleave(times, 1)[None, :, :, None]
        x = torch.where(paired, x.flip(0), x) + self.absolute_pos_embed.view(1, *x.shape[1:])
        for stage in self.layers:
            x = stage(x, unit_mask)
        return self.norm(x).flatten(1, 2)

    def decode(self, z, mask):
        """Predictions of the patches that were taken out: image i's from mixed image i, then from B-1-i."""
        z, b = self.decoder_embed(z), z.shape[0]
        gap, mask_token = mask[None, :, None], self.mask_token.to(z.dtype)
        x = torch.cat([torch.where(gap, mask_token, z), torch.where(gap, z, mask_token)]) + self.decoder_pos_embed
        for block in self.decoder_blocks:
            x = block(x)
        return [self.decoder_pred(self.decoder_norm(half[:, where])) for half, where in
                ((x[:b], mask), (x[b:].flip(0), ~mask))]

    def targets(self, images):
        b, g, s = images.shape[0], self.units, self.stride
        t = images.view(b, 3, g, s, g, s).permute(0, 2, 4, 3, 5, 1).reshape(b, g * g, s * s * 3)
        if not self.norm_pix_loss:
            return t
        variance, mean = torch.var_mean(t, -1, keepdim=True)
        return (t - mean) / (variance + 1e-6).sqrt()

    def forward(self, images, mask):
        """The loss. images [B, 3, S, S], mask [L] bool"""
        first, second = self.decode(self.encode(images, mask), mask)
        target = self.targets(images)
        return F.mse_loss(torch.cat([first, second], 1).to(target.dtype), torch.cat([target[:, mask], target[:, ~mask]], 1))


def optimizer(model, lr, weight_decay=0.05, fused=True):
    """AdamW as published: every tensor of more than one dimension decays."""
    split = [[], []]
    for p in model.parameters():
        split[p.ndim > 1].append(p)
    groups = [{"params": split[0], "weight_decay": 0.0}, {"params": split[1], "weight_decay": weight_decay}]
    return torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.95), fused=fused)
