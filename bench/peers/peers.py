#!/usr/bin/env python3
"""Times ONNX files on Octet, ONNX Runtime and OpenVINO in turns, so that whatever else the machine
does meets all of them alike.

    python3 -m venv peers && peers/bin/pip install numpy onnxruntime openvino
    peers/bin/python bench/peers/peers.py --octet build/release/octet_profile \\
        --plan fp8/image.plan --plan fp32/image.plan --fp32 onnx32/image.onnx

With nncf installed too, `--nncf int8.xml` adds INT8 models as OpenVINO's own tool makes them.
Prints a table and writes JSON (--json). Every figure is the shortest and the median of --rounds
turns of one run each, in milliseconds; weights may be random, inputs are.
"""

import argparse
import json
import os
import subprocess
import sys
import time


class Octet:
    """A plan in a process of its own that runs once for every line it is sent. With `floor`, its
    products as dot instructions on registers alone: what no run of this plan can beat."""

    def __init__(self, program, plan, args, floor=False):
        self.name = f"octet {os.path.basename(os.path.dirname(plan)) or ''}/{os.path.basename(plan)}"
        self.name += ", floor" if floor else ""
        command = [program, plan, "--batch", str(args.batch), "--on-demand"]
        command += ["--floor"] if floor else []
        if args.tokens:
            command += ["--tokens", str(args.tokens)]
        environment = dict(os.environ, OCTET_THREADS=str(args.threads))
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self.run()

    def run(self):
        self.process.stdin.write("run\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())


def random_inputs(shape, is_ids, tokens):
    import numpy

    generator = numpy.random.default_rng(1)
    if not is_ids:
        return generator.standard_normal(shape).astype(numpy.float32)
    ids = generator.integers(1, 40000, shape)
    ids[:, (tokens or shape[1]) - 1 :] = 49407
    return ids


class OnnxRuntime:
    def __init__(self, path, args):
        import numpy
        import onnxruntime

        self.name = f"ONNX Runtime {onnxruntime.__version__} {label(path)}"
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = args.threads
        self.session = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
        first = self.session.get_inputs()[0]
        shape = [args.batch if isinstance(extent, str) else extent for extent in first.shape]
        values = random_inputs(shape, "int64" in first.type, args.tokens)
        if "float16" in first.type:
            values = values.astype(numpy.float16)
        self.feeds = {first.name: values}

    def run(self):
        start = time.perf_counter()
        self.session.run(None, self.feeds)
        return 1e3 * (time.perf_counter() - start)


class OpenVino:
    def __init__(self, path, precision, args):
        import openvino

        self.name = f"OpenVINO {openvino.__version__.split('-')[0]} {label(path)}, {precision}"
        core = openvino.Core()
        model = core.read_model(path)
        first = model.inputs[0]
        shape = [args.batch if d.is_dynamic else d.get_length() for d in first.partial_shape]
        model.reshape({first.any_name: shape})
        settings = {"INFERENCE_NUM_THREADS": args.threads, "PERFORMANCE_HINT": "LATENCY"}
        settings["INFERENCE_PRECISION_HINT"] = precision
        self.request = core.compile_model(model, "CPU", settings).create_infer_request()
        is_ids = first.element_type == openvino.Type.i64
        self.feeds = {first.any_name: random_inputs(shape, is_ids, args.tokens)}

    def run(self):
        start = time.perf_counter()
        self.request.infer(self.feeds)
        return 1e3 * (time.perf_counter() - start)


def quantize_with_nncf(fp32, path, tokens):
    """The FP32 file in INT8 as OpenVINO's own tool makes it, for its speed: the data are random."""
    import nncf
    import openvino

    model = openvino.Core().read_model(fp32)
    first = model.inputs[0]
    shape = [1 if extent.is_dynamic else extent.get_length() for extent in first.partial_shape]
    is_ids = first.element_type == openvino.Type.i64
    data = nncf.Dataset([{first.any_name: random_inputs(shape, is_ids, tokens)}])
    quantized = nncf.quantize(model, data, subset_size=1, model_type=nncf.ModelType.TRANSFORMER)
    openvino.save_model(quantized, path, compress_to_fp16=False)


def label(path):
    return "/".join(path.split(os.sep)[-2:])


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--octet", help="the program octet_profile")
    parser.add_argument("--plan", action="append", default=[], help="plan for Octet; repeatable")
    parser.add_argument("--floor", action="store_true", help="what the arithmetic of the first plan, an FP8 one, takes alone")
    parser.add_argument("--fp32", help="FP32 ONNX file: ONNX Runtime, and OpenVINO in FP32 and BF16")
    parser.add_argument("--int8", help="INT8 Q/DQ ONNX file: ONNX Runtime and OpenVINO")
    parser.add_argument("--nncf", help="INT8 model (.xml) of OpenVINO, made from --fp32 with NNCF if it is missing")
    parser.add_argument("--fp8", help="FP8 Q/DQ ONNX file: ONNX Runtime")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--tokens", type=int, default=0, help="length of each text, 0: the whole context")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--json", help="file to write")
    args = parser.parse_args()
    if args.plan and not args.octet:
        parser.error("--plan needs --octet, the program that runs it")
    if args.floor and not args.plan:
        parser.error("--floor needs the --plan whose arithmetic it times")
    return args


def candidates(args):
    found = [Octet(args.octet, plan, args) for plan in args.plan]
    if args.floor:
        found += [Octet(args.octet, args.plan[0], args, floor=True)]
    if args.fp32:
        found += [OnnxRuntime(args.fp32, args)]
        found += [OpenVino(args.fp32, precision, args) for precision in ("f32", "bf16")]
    if args.int8:
        found += [OnnxRuntime(args.int8, args)]
        found += [OpenVino(args.int8, precision, args) for precision in ("f32", "bf16")]
    if args.nncf:
        if not os.path.exists(args.nncf):
            quantize_with_nncf(args.fp32, args.nncf, args.tokens)
        found += [OpenVino(args.nncf, precision, args) for precision in ("f32", "bf16")]
    if args.fp8:
        found += [OnnxRuntime(args.fp8, args)]
    return found


def main():
    args = parse()
    runners = candidates(args)
    times = {runner.name: [] for runner in runners}
    for runner in runners:
        runner.run()
    for _ in range(args.rounds):
        for runner in runners:
            time.sleep(0.1)  # threads of the runner before may still wait actively
            times[runner.name].append(runner.run())
    rows = [
        {"name": name, "min_ms": min(values), "median_ms": sorted(values)[len(values) // 2]}
        for name, values in times.items()
    ]
    for row in rows:
        row["of_first"] = row["min_ms"] / rows[0]["min_ms"]
    width = max(len(row["name"]) for row in rows)
    print(f"batch {args.batch}, {args.threads} threads, {args.rounds} turns")
    print(f"{'':{width}}  {'min ms':>9}  {'median ms':>9}  {'min / first':>11}")
    for row in rows:
        print(f"{row['name']:{width}}  {row['min_ms']:9.1f}  {row['median_ms']:9.1f}  {row['of_first']:11.2f}")
    if args.json:
        with open(args.json, "w") as file:
            json.dump({"batch": args.batch, "threads": args.threads, "rows": rows}, file, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
