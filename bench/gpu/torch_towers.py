#!/usr/bin/env python3
"""The encoders of CLIP ViT-L/14 in PyTorch, compiled by torch.compile, for comparison.

    python3 bench/gpu/torch_towers.py [--towers image,text] [--precisions fp16,fp8]
                                      [--batches 1,8,32,128] [--mode default] [--json FILE]

Random weights. FP8 is W8A8 with static scales for each tensor: torch._scaled_mm for the four
products of a layer, quantizers left to the compiler to fuse, attention in FP16. A burst is the
median of 30 runs, each after a rest of 20 ms, as in towers.py; before that the compiled encoder's
rows are held against those of the FP16 encoder run as it is. Needs PyTorch with CUDA.
"""
import argparse
import json
import pathlib
import sys
import time

import torch
from torch import nn
from torch.nn import functional

TOWERS = {  # layers, width, heads, tokens, causal
    "image": (24, 1024, 16, 257, False),
    "text": (12, 768, 12, 77, True),
}
E4M3_MAX = 448.0
LEAST_COSINE = {"fp16": 0.9999, "fp8": 0.99}  # mean over rows, to the FP16 encoder


class Linear8(nn.Module):
    """y = x W^T + b with both operands rounded to E4M3, one scale each."""

    def __init__(self, linear):
        super().__init__()
        w_scale = linear.weight.abs().max().float() / E4M3_MAX
        weight = (linear.weight.float() / w_scale).to(torch.float8_e4m3fn)
        self.register_buffer("weight", weight)
        self.register_buffer("bias", linear.bias.detach())
        self.register_buffer("w_scale", w_scale)
        self.register_buffer("x_scale", torch.tensor(4 / E4M3_MAX, device=weight.device))

    def forward(self, x):
        codes = (x.float() / self.x_scale).clamp(-E4M3_MAX, E4M3_MAX).to(torch.float8_e4m3fn)
        y = torch._scaled_mm(codes.flatten(0, -2), self.weight.t(), scale_a=self.x_scale,
                             scale_b=self.w_scale, bias=self.bias, out_dtype=torch.float16)
        return y.view(*x.shape[:-1], -1)


class Layer(nn.Module):
    def __init__(self, width, heads, causal, linear):
        super().__init__()
        self.heads, self.causal = heads, causal
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = linear(width, 3 * width), linear(width, width)
        self.fc1, self.fc2 = linear(width, 4 * width), linear(4 * width, width)

    def forward(self, x):
        batch, tokens, width = x.shape
        qkv = self.qkv(self.norm1(x)).view(batch, tokens, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        x = x + self.out(mixed.transpose(1, 2).reshape(batch, tokens, width))
        h = self.fc1(self.norm2(x))
        return x + self.fc2(h * torch.sigmoid(1.702 * h))


def encoder(tower, precision):
    torch.manual_seed(0)
    layers, width, heads, _, causal = TOWERS[tower]
    model = nn.Sequential(*[Layer(width, heads, causal, nn.Linear) for _ in range(layers)])
    model = model.half().cuda().eval().requires_grad_(False)
    if precision == "fp8":
        for layer in model:
            for name in ("qkv", "out", "fc1", "fc2"):
                setattr(layer, name, Linear8(getattr(layer, name)))
    return model


def check(model, plain, x, what, least):
    cosine = functional.cosine_similarity(model(x).float(), plain(x).float(), dim=-1).mean().item()
    if not cosine >= least:
        sys.exit(f"{what}: mean cosine {cosine:.4f} to the FP16 encoder; at least {least} is right")


def burst(model, x, runs=30):
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    times = []
    for _ in range(runs):
        torch.cuda.synchronize()
        time.sleep(0.02)
        begin.record()
        model(x)
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end))
    return sorted(times)[runs // 2]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    words = lambda text: text.split(",")
    parser.add_argument("--towers", default="image,text", type=words)
    parser.add_argument("--precisions", default="fp16,fp8", type=words)
    parser.add_argument("--batches", default="1,8,32,128", type=words)
    parser.add_argument("--mode", default="default", help="of torch.compile")
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    rows = []
    for tower in options.towers:
        plain = encoder(tower, "fp16")
        for precision in options.precisions:
            model = torch.compile(encoder(tower, precision), mode=options.mode, dynamic=False)
            for batch in map(int, options.batches):
                _, width, _, tokens, _ = TOWERS[tower]
                x = torch.randn(batch, tokens, width, dtype=torch.float16, device="cuda")
                with torch.inference_mode():
                    began = time.time()
                    model(x)
                    torch.cuda.synchronize()
                    compiled = time.time() - began
                    check(model, plain, x, f"{tower} {precision} {batch}", LEAST_COSINE[precision])
                    ms = burst(model, x)
                rows.append({"tower": tower, "precision": precision, "batch": batch,
                             "what": "torch.compile, encoder, burst", "value": ms, "unit": "ms"})
                print(f"{tower:6} {precision:5} {batch:4}  torch.compile, encoder, burst "
                      f"{ms:9.3f} ms  (compiled in {compiled:.0f} s)", flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
