#!/usr/bin/env python3
"""Whole towers on one GPU: latency by precision and batch, in short bursts and under lasting load.

    bench/gpu/towers.py --octet build/release/octet [--arch ViT-L-14] [--work DIR] [--json FILE]
                        [--precisions fp8,fp16] [--towers image,text] [--batches 1,8,32,128]
                        [--sustained SECONDS] [--products build/release/octet_gpu_gemm_bench]
                        [--torch PYTHON]

Writes a checkpoint with random weights, quantizes, exports and builds it (kept in --work, so that a
second run is quick), then times every engine with `octet bench`:
  burst      the median of 30 runs, each after a rest of 20 ms, as the products below are timed
  sustained  the median over SECONDS at the largest batch; clock and power are read meanwhile
  share      of its floor that a kernel of each kind reaches at the largest batch: the larger of bytes
             over the memory's rate and operations over the matrix units' rate, as NVIDIA states
             them, over the time of the kernel run by itself (its launch included)
Text is timed at its full length, and with captions of 12 tokens on average. With --products the
plain products of cuBLASLt are timed in the same run, and the image and text towers at batch 128 are
related to their sum. With --torch, a Python that has PyTorch, torch.compile's encoders follow
(torch_towers.py). Needs nothing else but Python's own library and an NVIDIA driver.
"""
import argparse
import json
import pathlib
import random
import re
import struct
import subprocess
import sys
import time

LAYERS = {"image": 24, "text": 12}  # of ViT-L-14
MERGES = "tests/golden/tokenizer/bpe_simple_vocab_16e6.txt.gz"
RATES = {"H200": (4.8e12, 1979e12), "H100": (3.35e12, 1979e12)}  # bytes, FP8 operations a second
ROOT = pathlib.Path(__file__).resolve().parents[2]


def run(*command, quiet=True):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
    return done.stdout


def prepare(options, work):
    """The ONNX files of every precision; what is there already is kept."""
    octet, calibration = options.octet, ROOT / "examples/tinyclip/calib"
    model = work / options.arch
    if not model.exists():
        run(octet, "create", options.arch, "-o", model, "--merges", ROOT / MERGES)
    for precision in options.precisions:
        if (work / precision).exists():
            continue
        source = model
        if precision == "fp8":
            source = work / "quantized"
            run(octet, "quantize", model, "--calib", calibration, "--calib-size", 32, "-o", source)
        run(octet, "export", source, "-o", work / precision)


def signature(octet, file):
    """Name and extents of the only input."""
    facts = json.loads(run(octet, "--json", "inspect", file))
    first = facts["inputs and outputs"][0]
    return first["name"], [int(extent) for extent in re.findall(r"\d+", first["shape"])]


def build(octet, file, plan, name, extents, largest):
    began = time.time()
    shape = lambda batch: f"{name}:" + "x".join(map(str, [batch] + extents))
    run(octet, "build", file, f"--minShapes={shape(1)}", f"--optShapes={shape(largest)}",
        f"--maxShapes={shape(largest)}", "--backend", "cuda", "-o", plan)
    return time.time() - began


def bench_document(octet, plan, shape, *flags):
    return json.loads(run(octet, "--json", "bench", f"--loadEngine={plan}", f"--shapes={shape}",
                          *flags))


def bench(octet, plan, shape, *flags):
    return bench_document(octet, plan, shape, *flags)["compute_ms"]["median"]


def burst(octet, plan, shape, *flags):
    return bench(octet, plan, shape, "--iterations=30", "--duration=0", "--warmUp=100",
                 "--idleTime=20", *flags)


def shares(octet, plan, shape, precision):
    """Layers that differ only in their number are one kind: its median time and share."""
    name = run("nvidia-smi", "--query-gpu=name", "--format=csv,noheader")
    rates = [rate for model, rate in RATES.items() if model in name]
    if not rates:
        return []
    memory, matrix = rates[0]
    if precision != "fp8":
        matrix /= 2
    profile = bench_document(octet, plan, shape, "--iterations=1", "--duration=0", "--warmUp=200",
                             "--dumpProfile")["profile"]
    kinds = {}
    for layer in profile:
        floor = max(layer["bytes"] / memory, layer["flops"] / matrix) * 1e3
        kind = re.sub(r"layers\.\d+\.", "layers.*.", layer["layer"])
        kinds.setdefault(kind, []).append((layer["median_ms"], floor / layer["median_ms"]))
    total = sum(layer["median_ms"] for layer in profile)
    return [(kind, *sorted(times)[len(times) // 2]) for kind, times in kinds.items()
            if sum(ms for ms, _ in times) > 0.005 * total]


class Sampler:
    """Clock and power, read every half second while it stands."""

    def __enter__(self):
        query = "--query-gpu=clocks.sm,power.draw"
        self.process = subprocess.Popen(["nvidia-smi", query, "--format=csv,noheader,nounits",
                                         "-lms", "500"], stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        rows = [line.split(",") for line in self.process.communicate()[0].splitlines()]
        rows = rows[len(rows) // 2:]  # once it has settled
        self.clock = sorted(float(row[0]) for row in rows)[len(rows) // 2] if rows else None
        self.power = sorted(float(row[1]) for row in rows)[len(rows) // 2] if rows else None


def captions(path, batch, length, vocabulary=49408):
    """Token ids of captions of 12 tokens on average, begin and end included."""
    draw = random.Random(0)
    rows = b""
    for _ in range(batch):
        words = min(length - 2, max(3, round(draw.gauss(10, 3))))
        ids = [vocabulary - 2] + [draw.randrange(1, 40000) for _ in range(words)] + [vocabulary - 1]
        rows += struct.pack(f"<{length}q", *(ids + [0] * (length - len(ids))))
    path.write_bytes(rows)


def products(program, work):
    """Sum of cuBLASLt's four plain products of a layer, in ms, by tower at batch 128."""
    sums = {}
    for tower in LAYERS:
        file = work / f"products-{tower}.json"
        run(program, f"{tower} 128", "--json", file)
        sums[tower] = sum(way["us"] for product in json.loads(file.read_text())
                          for way in product["contenders"]
                          if way["name"] == "cuBLASLt plain, f16") / 1e3
    return sums


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--octet", default=ROOT / "build/release/octet", type=pathlib.Path)
    parser.add_argument("--arch", default="ViT-L-14")
    parser.add_argument("--work", default="/tmp/octet-towers", type=pathlib.Path)
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--precisions", default="fp8,fp16", type=lambda text: text.split(","))
    parser.add_argument("--towers", default="image,text", type=lambda text: text.split(","))
    parser.add_argument("--batches", default="1,8,32,128",
                        type=lambda text: [int(word) for word in text.split(",")])
    parser.add_argument("--sustained", default=10.0, type=float)
    parser.add_argument("--products", type=pathlib.Path)
    parser.add_argument("--torch", metavar="PYTHON")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    prepare(options, options.work)
    rows = []

    def tell(tower, precision, batch, what, value, unit="ms"):
        rows.append({"tower": tower, "precision": precision, "batch": batch, "what": what,
                     "value": value, "unit": unit})
        print(f"{tower:6} {precision:5} {batch:4}  {what:44} {value:9.3f} {unit}", flush=True)

    largest = max(options.batches)
    for precision in options.precisions:
        for tower in options.towers:
            file = options.work / precision / f"{tower}.onnx"
            plan = options.work / precision / f"{tower}.plan"
            name, extents = signature(options.octet, file)
            shape = lambda batch: f"{name}:" + "x".join(map(str, [batch] + extents))
            tell(tower, precision, largest, "build",
                 build(options.octet, file, plan, name, extents, largest), "s")
            for batch in options.batches:
                tell(tower, precision, batch, "burst", burst(options.octet, plan, shape(batch)))
            if tower == "text":
                for batch in options.batches:
                    ids = options.work / f"captions-{batch}.bin"
                    captions(ids, batch, extents[0])
                    tell(tower, precision, batch, "burst, captions of 12 tokens",
                         burst(options.octet, plan, shape(batch), f"--loadInputs={name}:{ids}"))
            for kind, ms, share in shares(options.octet, plan, shape(largest), precision):
                tell(tower, precision, largest, f"alone: {kind.split('.', 1)[-1]}", ms)
                tell(tower, precision, largest, "  its share of the floor", share, "x")
            if options.sustained > 0:
                with Sampler() as sampler:
                    value = bench(options.octet, plan, shape(largest), "--warmUp=2000",
                                  f"--duration={options.sustained}")
                tell(tower, precision, largest, "sustained", value)
                if sampler.clock:
                    tell(tower, precision, largest, "clock, sustained", sampler.clock, "MHz")
                    tell(tower, precision, largest, "power, sustained", sampler.power, "W")
    if options.products:
        for tower, layer in products(options.products, options.work).items():
            total = layer * LAYERS[tower]
            tell(tower, "fp8", 128, "cuBLASLt's products, summed", total)
            for row in [r for r in rows if r["tower"] == tower and r["precision"] == "fp8" and
                        r["batch"] == 128 and r["what"] == "burst"]:
                tell(tower, "fp8", 128, "burst over that sum", row["value"] / total, "x")
    if options.torch:
        file = options.work / "torch.json"
        run(options.torch, ROOT / "bench/gpu/torch_towers.py", "--towers", ",".join(options.towers),
            "--precisions", ",".join(options.precisions), "--batches", largest, "--json", file)
        for row in json.loads(file.read_text()):
            tell(*(row[key] for key in ("tower", "precision", "batch", "what", "value")))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
