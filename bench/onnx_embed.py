"""Embeddings of one batch of images by ONNX Runtime, computed again for each line of standard input: the other side of
bench/embed.c, with the same protocol.

    python onnx_embed.py MODEL.onnx IMAGES FEATURES [--batch 8] [--threads 2]

The processor's own provider, all optimisations of the graph, `--threads` threads inside an operator; what is not said
here is ONNX Runtime's default, so its threads spin while they wait for each other.
"""
import argparse
import sys
import time

import numpy as np
import onnxruntime


def peak_memory():
    """Bytes, the process's highest resident size."""
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith("VmHWM"))


def session(path, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model")
    p.add_argument("images")
    p.add_argument("features")
    p.add_argument("--batch", type=int, default=8)
    p.add_argument("--threads", type=int, default=2)
    a = p.parse_args()
    net = session(a.model, a.threads)
    name, shape = net.get_inputs()[0].name, net.get_inputs()[0].shape
    images = {name: np.fromfile(a.images, np.float32).reshape(a.batch, *shape[1:])}
    print("READY", net.get_outputs()[0].shape[1], flush=True)
    for i, _ in enumerate(sys.stdin):
        start, processor = time.perf_counter(), time.process_time()
        features = net.run(None, images)[0]
        seconds, processor = time.perf_counter() - start, time.process_time() - processor
        if not i:
            features.tofile(a.features)
        print(f"{seconds:.6f} {processor:.6f} {peak_memory()}", flush=True)


if __name__ == "__main__":
    main()
