"""The sizes that are compared, in the words of mixmae's own options (docs/MODEL.md "Models"): both programs are
started from the same table, so they cannot differ in geometry."""

NAMES = ("image_size", "patch_size", "embed_dim", "depths", "num_heads", "window_size", "decoder_dim",
         "decoder_depth", "decoder_num_heads")


def _model(batch, *values):
    return {"batch_size": batch, **dict(zip(NAMES, values))}


MODELS = {
    "nano": _model(32, 64, 4, 32, [1, 1, 2], [2, 4, 8], [8, 8, 4], 96, 2, 6),
    "micro": _model(128, 32, 2, 48, [1, 1, 2], [3, 6, 12], [8, 8, 4], 128, 2, 4),
    "small96": _model(32, 96, 4, 64, [2, 2, 6, 2], [2, 4, 8, 16], [6, 6, 6, 3], 256, 4, 8),
    "tiny": _model(16, 224, 4, 96, [2, 2, 6, 2], [3, 6, 12, 24], [14, 14, 14, 7], 512, 8, 16),
    "base": _model(8, 224, 4, 128, [2, 2, 18, 2], [4, 8, 16, 32], [14, 14, 14, 7], 512, 8, 16),
}


def flags(model):
    """A model of the table as mixmae's options."""
    words = []
    for name, value in model.items():
        text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
        words += ["--" + name.replace("_", "-"), text]
    return words
