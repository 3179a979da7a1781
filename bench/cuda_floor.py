"""The least time of a pretraining step on a GPU, op by op, as the CUDA backend computes it (docs/SPEED.md).

    python bench/cuda_floor.py [--model base] [--batch-size 128] [--bandwidth 3.0] [--l2 5.5] [--rate 790]

An op takes the largest of: its bytes of memory over the bandwidth, those and its bytes of L2 cache (what one pass hands to
the next in pieces) over that of L2, its FLOPs over the matrix rate in bf16. Launches are not counted: a step is one graph.
Everything is kept for backward, nothing is recomputed.
"""
import argparse
from collections import defaultdict

MODELS = {  # image, patch, width, depths, windows, decoder width, decoder depth
    "base": (224, 4, 128, (2, 2, 18, 2), (14, 14, 14, 7), 512, 8),
    "large": (224, 4, 192, (2, 2, 18, 2), (14, 14, 14, 7), 512, 8),
}


class Step:
    def __init__(self, bandwidth, l2, rate):
        self.bandwidth, self.l2, self.rate = bandwidth * 1e12, l2 * 1e12, rate * 1e12
        self.seconds, self.bytes, self.flops, self.useful = (defaultdict(float) for _ in range(4))

    def op(self, name, bytes_, flops=0, useful=None, cached=0):
        self.seconds[name] += max(bytes_ / self.bandwidth, (bytes_ + cached) / self.l2, flops / self.rate)
        self.bytes[name] += bytes_
        self.flops[name] += flops
        self.useful[name] += flops if useful is None else useful

    def linear(self, name, n, i, o, y=2, residual=False):
        """y: bytes of an element of the result. Weights are rounded first: 4 bytes read, 2 written, 2 read."""
        self.op(name, n * i * 2 + n * o * (y + 4 * residual) + 2 * i * o, 2 * n * i * o)
        self.op("weights to bf16", 6 * i * o)

    def linear_back(self, name, n, i, o, dy=4, dx=2, gelu=False):
        rounded = 2 if dy == 4 else 0  # bytes of the copy in bf16, which stays in L2
        self.op(name + " db and dy to bf16", n * o * dy, cached=n * o * rounded)
        self.op(name + " dw", n * i * 2 + (0 if rounded else n * o * 2) + 8 * i * o, 2 * n * i * o, cached=n * o * rounded)
        if dx:
            to = 0 if gelu else n * i * dx
            self.op(name + " dx", (0 if rounded else n * o * 2) + to + 2 * i * o, 2 * n * i * o,
                    cached=n * o * rounded + (4 * n * i if gelu else 0))
            self.op("weights to bf16", 6 * i * o)
        if gelu:
            self.op(name + " GELU'", n * i * 4, cached=n * i * 4)

    def block(self, where, n, c, segment, window):
        self.op(where + " norms", 2 * n * c * 6)
        self.linear(where + " qkv", n, c, 3 * c)
        # forward: logits, and values twice (probabilities in two parts); backward: both phases compute logits and dP
        self.op(where + " attention", n * c * 8 + n * c * 16, (6 + 14) * n * segment * c, (4 + 8) * n * window * c)
        self.linear(where + " proj", n, c, c, y=4, residual=True)
        self.linear(where + " fc1", n, c, 4 * c)
        self.op(where + " GELU", n * 4 * c * 2, cached=n * 4 * c * 2)
        self.linear(where + " fc2", n, 4 * c, c, y=4, residual=True)
        self.linear_back(where + " fc2", n, 4 * c, c, gelu=True)
        self.linear_back(where + " fc1", n, c, 4 * c, dy=2)
        self.linear_back(where + " proj", n, c, c)
        self.linear_back(where + " qkv", n, c, 3 * c, dy=2)
        self.op(where + " norms", 2 * n * c * (2 + 4 + 8))


def step(name, batch, bandwidth, l2, rate):
    image, patch, width, depths, windows, dim, depth = MODELS[name]
    s, parameters = Step(bandwidth, l2, rate), 0
    side = image // patch
    n = batch * side * side
    s.op("patches", n * patch * patch * 3 * 8)
    s.linear("patch embedding", n, patch * patch * 3, width, y=4)
    s.linear_back("patch embedding", n, patch * patch * 3, width, dx=0)
    for k, (blocks, window) in enumerate(zip(depths, windows)):
        c, n = width << k, batch * (side >> k) ** 2
        tokens = min(window, side >> k) ** 2
        for _ in range(blocks):  # half the tokens of a window belong to each image; what that saves counts as done
            s.block(f"stage {k}", n, c, tokens / 2, tokens)
        parameters += blocks * 12 * c * c
        if k + 1 < len(depths):
            s.op("merging", n * c * 4 * 2 + n * c * 6 * 2 + n * c * 4 * 3)
            s.linear("merging", n // 4, 4 * c, 2 * c, y=4)
            s.linear_back("merging", n // 4, 4 * c, 2 * c)
            parameters += 8 * c * c
    units = batch * (side >> 3) ** 2
    s.linear("decoder ends", units, c, dim, y=4)
    s.linear_back("decoder ends", units, c, dim)
    s.op("unmix", 2 * units * dim * 4 * 4)
    for _ in range(depth):
        s.block("decoder", 2 * units, dim, (side >> 3) ** 2, (side >> 3) ** 2)
    pixels = 3 * (8 * patch) ** 2
    s.linear("decoder ends", units, dim, pixels, y=4)
    s.linear_back("decoder ends", units, dim, pixels)
    s.op("loss", units * pixels * 4 * 3)
    parameters += depth * 12 * dim * dim + c * dim + dim * pixels
    s.op("gradients to zero", parameters * 4)
    s.op("gradient norm", parameters * 4)
    s.op("AdamW", parameters * 28)
    return s


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", choices=MODELS, default="base")
    p.add_argument("--batch-size", type=int, default=128)
    p.add_argument("--bandwidth", type=float, default=3.0)
    p.add_argument("--l2", type=float, default=5.5)
    p.add_argument("--rate", type=float, default=790.0)
    a = p.parse_args()
    s = step(a.model, a.batch_size, a.bandwidth, a.l2, a.rate)
    total, kinds = sum(s.seconds.values()), defaultdict(lambda: [0.0, 0.0, 0.0])
    for name in s.seconds:
        kind = ("products" if s.flops[name] and "attention" not in name else "attention" if "attention" in name
                else "norms" if "norms" in name else "GELU and its gradient" if "GELU" in name
                else "bias gradients, roundings to bf16" if "bf16" in name
                else "update" if name in ("AdamW", "gradient norm", "gradients to zero") else "rows, patches, loss")
        for i, x in enumerate((s.seconds[name], s.bytes[name], s.flops[name])):
            kinds[kind][i] += x
    print(f"| {a.model}, {a.batch_size} images | ms | GB | TFLOP |\n|---|---|---|---|")
    for kind, (t, b, f) in sorted(kinds.items(), key=lambda x: -x[1][0]):
        print(f"| {kind} | {1e3 * t:.1f} | {b / 1e9:.1f} | {f / 1e12:.2f} |")
    print(f"| all | {1e3 * total:.1f} | {sum(s.bytes.values()) / 1e9:.1f} | {sum(s.flops.values()) / 1e12:.2f} |")
    useful = sum(s.useful.values())
    print(f"\n{a.batch_size / total:.0f} images/s; useful work {useful / total / s.rate:.0%} of the matrix rate "
          f"({useful / 1e9 / a.batch_size:.0f} GFLOP an image)")


if __name__ == "__main__":
    main()
