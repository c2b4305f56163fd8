"""What a user would write to time an ONNX file: onnxruntime and numpy, nothing of prunelab; run as a program.

    python plain_onnx.py FILE THREADS BATCH...

Prints the median seconds of a call for each size of batch, as JSON. Options are ONNX Runtime's own but for the number
of threads.
"""

import json
import sys
import time

import numpy as np
import onnxruntime

SECONDS = 0.5
FEWEST = 20


def main() -> None:
    """Time the file."""
    file, threads, *sizes = sys.argv[1:]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(threads)
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    found = {}
    for size in map(int, sizes):
        images = np.random.default_rng(0).random((size, *given.shape[1:]), dtype=np.float32)
        for _ in range(3):
            session.run(None, {given.name: images})
        times: list[float] = []
        until = time.perf_counter() + SECONDS
        while len(times) < FEWEST or time.perf_counter() < until:
            start = time.perf_counter()
            session.run(None, {given.name: images})
            times.append(time.perf_counter() - start)
        found[size] = sorted(times)[len(times) // 2]
    print(json.dumps(found))


if __name__ == "__main__":
    main()
