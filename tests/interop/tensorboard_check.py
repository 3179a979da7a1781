"""TensorBoard's own reader lists what a run logged: every scalar of log.jsonl with its step and value, and the pictures.

    python3 tests/interop/tensorboard_check.py build/mixmae
"""
import io
import json
import os
import sys
import tempfile

import numpy as np
import tensorboard
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from common import Findings, program, short_runs

# tag in TensorBoard: key in log.jsonl (docs/FORMATS.md)
PRETRAIN = {tag: tag for tag in ("lr", "grad_norm", "images_per_second", "val_loss")} | {"train_loss": "loss"}
FINETUNE = {"loss": "loss", "lr": "lr", "grad_norm": "grad_norm", "images_per_second": "images_per_second",
            "perf/test_acc1": "val_top1", "perf/test_acc5": "val_top5", "perf/test_loss": "val_loss"}


def scalars(found, what, board, folder, tags):
    with open(os.path.join(folder, "log.jsonl"), encoding="utf-8") as f:
        lines = [json.loads(line) for line in f]
    found.add(set(board.Tags()["scalars"]) == set(tags), f"{what}: tags {' '.join(sorted(board.Tags()['scalars']))}")
    for tag, key in sorted(tags.items()):
        ours = [(line["step"], np.float32(line[key])) for line in lines if key in line]
        theirs = [(s.step, np.float32(s.value)) for s in board.Scalars(tag)] if tag in board.Tags()["scalars"] else []
        right = len(ours) > 1 and [s for s, _ in ours] == [s for s, _ in theirs] and np.allclose(
            [v for _, v in ours], [v for _, v in theirs], rtol=1e-6, atol=0)  # the log has 9 digits
        found.add(right, f"{what}: {tag}, {len(theirs)} points")


def pictures(found, board, folder):
    names = sorted(os.listdir(os.path.join(folder, "pictures")))
    shown = board.Images("reconstruction")
    found.add(names and len(shown) == len(names), f"pretrain: {len(shown)} pictures of {len(names)}")
    for event, name in zip(shown, names):
        theirs, ours = Image.open(io.BytesIO(event.encoded_image_string)), Image.open(os.path.join(folder, "pictures", name))
        same = theirs.size == (event.width, event.height) == ours.size and np.array_equal(np.asarray(theirs), np.asarray(ours))
        found.add(same and f"{event.step:08d}" in name, f"pretrain: picture of step {event.step} is {name}")


def read(folder):
    board = EventAccumulator(folder, size_guidance={"scalars": 0, "images": 0})
    board.Reload()
    return board


def main():
    mixmae, found = program(), Findings()
    print(f"  tensorboard {tensorboard.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        run, tuned = short_runs(mixmae, folder)
        board = read(run)
        scalars(found, "pretrain", board, run, PRETRAIN)
        pictures(found, board, run)
        scalars(found, "finetune", read(tuned), tuned, FINETUNE)
    return found.end()


if __name__ == "__main__":
    sys.exit(main())
