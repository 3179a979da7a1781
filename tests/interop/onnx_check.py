"""ONNX files of random models: onnx's checker and shape inference accept them, and onnxruntime's numbers are ours.

    python3 tests/interop/onnx_check.py build/mixmae

The files are written by export_onnx (export_onnx.c beside this file), which lies beside the program.
"""
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
from google.protobuf.message import DecodeError

from common import GEOMETRIES, Findings, channels, distance, image_size, program, write_model

LIMIT = 1e-4  # f32 against f32 with sums in another order; a wrong axis or table gives 0.1 and more


def export(mixmae, model, path, *limit):
    done = subprocess.run([os.path.join(mixmae.folder, "export_onnx"), model, path, *limit], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"export_onnx: {done.stderr}")


def session(path):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def metadata_agrees(path, config):
    meta = {p.key: p.value for p in onnx.load(path, load_external_data=False).metadata_props}
    n = channels(config)
    return (json.loads(meta["mean"]) == [0.485, 0.456, 0.406][:n] and json.loads(meta["std"]) == [0.229, 0.224, 0.225][:n]
            and float(meta["value_range"]) == 0 and json.loads(meta["config"])["depths"] == config["depths"])


def shapes_agree(path, config, width):
    """Inference must arrive at the declared output from the nodes alone."""
    model = onnx.load(path)
    declared = model.graph.output[0]
    dims = declared.type.tensor_type.shape.dim
    inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    known = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in inferred.graph.value_info}
    last = model.graph.node[-1].input[0]
    return (declared.name == ("logits" if config.get("num_classes") else "features") and dims[0].dim_param == "N"
            and dims[1].dim_value == width and last in known)


def compare(found, mixmae, name, config, folder):
    model, path = os.path.join(folder, "model.safetensors"), os.path.join(folder, "model.onnx")
    write_model(model, config)
    export(mixmae, model, path)
    onnx.checker.check_model(path, full_check=True)
    features = config["embed_dim"] << (len(config["depths"]) - 1)
    classes = config.get("num_classes", 0)
    found.add(shapes_agree(path, config, classes or features), f"{name}: checker, shapes")
    found.add(metadata_agrees(path, config), f"{name}: metadata")
    rng = np.random.default_rng(3)
    for batch in (1, 5):
        images = rng.standard_normal((batch, channels(config), *image_size(config))).astype(np.float32)
        theirs = session(path).run(None, {"images": images})[0]
        gap = distance(mixmae.forward(model, images, classes, features), theirs)
        found.add(gap <= LIMIT, f"{name}: batch {batch}, distance {gap:.1e} of {theirs.shape[1]} numbers a image")
    return model, images, theirs


def outside(found, mixmae, model, images, theirs, folder):
    """The same model with its weights in a second file, as one past 2 GiB has."""
    path = os.path.join(folder, "large.onnx")
    export(mixmae, model, path, "60000")
    onnx.checker.check_model(path, full_check=True)
    small, data = os.path.getsize(path), os.path.getsize(path + ".data")
    found.add(small <= 60000 and data > small, f"external data: {small} bytes and {data} beside it")
    gap = distance(session(path).run(None, {"images": images})[0], theirs)
    found.add(gap == 0, f"external data: distance {gap:.1e}")
    os.rename(path + ".data", path + ".gone")
    try:
        onnx.load(path)
        found.add(False, "external data: loads without it")
    except (OSError, DecodeError, onnx.checker.ValidationError):
        found.add(True, "external data: nothing loads without it")


def main():
    mixmae, found = program(), Findings()
    print(f"  onnx {onnx.__version__}, onnxruntime {onnxruntime.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        for name, config in GEOMETRIES.items():
            made = compare(found, mixmae, name, config, folder)
            if name == "four stages":
                outside(found, mixmae, *made, folder)
    return found.end()


if __name__ == "__main__":
    sys.exit(main())
