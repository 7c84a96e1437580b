#!/usr/bin/env python3
"""Writes modes/*, modes.json and resize.json beside this file: pip install Pillow==9.4.0 numpy."""

import hashlib
import json
import pathlib
import struct
import zlib

import numpy as np
from PIL import Image

HERE = pathlib.Path(__file__).parent
MODES = HERE / "modes"
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of PNG's colour types
ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def pattern(count):
    """The test writes the same bytes."""
    i = np.arange(count, dtype=np.int64)
    return ((i * i * 31 + i * 17 + (i >> 3) * 101) & 255).astype(np.uint8)


def pack_rows(rows, depth):
    packed = b""
    for row in rows:
        bits = "".join(format(int(value), f"0{depth}b") for value in row.reshape(-1))
        bits += "0" * (-len(bits) % 8)
        packed += b"\0" + bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))
    return packed


def png(width, height, colour, depth, interlaced):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rng = np.random.RandomState(colour * 100 + depth)
    pixels = rng.randint(0, 1 << depth, (height, width, CHANNELS[colour]))
    if interlaced:
        parts = [pixels[y::dy, x::dx] for x, y, dx, dy in ADAM7]
        raw = b"".join(pack_rows(part, depth) for part in parts if part.size)
    else:
        raw = pack_rows(pixels, depth)
    data = b"\x89PNG\r\n\x1a\n"
    data += chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced))
    data += chunk(b"gAMA", struct.pack(">I", 100000))  # to be ignored
    if colour == 3:  # fewer colours than indices
        data += chunk(b"PLTE", pattern(3 * ((1 << depth) - 1)).tobytes()) + chunk(b"tRNS", b"\x10")
    if colour == 0:
        data += chunk(b"tRNS", b"\0\0")
    return data + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")


def write_modes():
    MODES.mkdir(exist_ok=True)
    for colour, depths in {0: [1, 2, 4, 8, 16], 2: [8, 16], 3: [1, 2, 4, 8], 4: [8, 16], 6: [8, 16]}.items():
        for depth in depths:
            name = f"colour{colour}_depth{depth}.png"
            (MODES / name).write_bytes(png(19, 13, colour, depth, depth % 3 == 1))
    smooth = Image.fromarray(pattern(6 * 5 * 4).reshape(5, 6, 4)).resize((37, 29), Image.BICUBIC)
    smooth.save(MODES / "lossy_alpha.webp", quality=60)
    smooth.convert("RGB").save(MODES / "lossy.webp", quality=60)
    frames = [smooth.rotate(90 * turn) for turn in range(3)]
    frames[0].save(MODES / "animated.webp", save_all=True, append_images=frames[1:], lossless=True)
    digests = {}
    for path in sorted(MODES.iterdir()):
        digests[path.name] = sha256(Image.open(path).convert("RGB").tobytes())
    (HERE / "modes.json").write_text(json.dumps(digests, indent=1) + "\n")


def write_resizes():
    rows = []
    for mode, channels in {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4, "CMYK": 4, "1": 1}.items():
        for size in [(41, 30), (7, 50), (64, 9)]:
            values = pattern(size[0] * size[1] * channels)
            if mode == "1":
                plane = ((values & 1) * 255).astype(np.uint8).reshape(size[1], size[0])
                image = Image.fromarray(plane).convert("1", dither=0)
            else:
                image = Image.frombytes(mode, size, values.tobytes())
            for target in [(23, 30), (41, 77), (90, 17)]:
                for resample in range(6):
                    resized = image.resize(target, resample).convert("RGB")
                    rows.append([mode, size, target, resample, sha256(resized.tobytes())])
    (HERE / "resize.json").write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")


write_modes()
write_resizes()
