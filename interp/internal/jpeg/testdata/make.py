"""Writes small JPEG files and, beside each, what Pillow decodes it to as a PNG. Needs numpy and Pillow."""
import io
import pathlib

import numpy as np
from PIL import Image

rng = np.random.default_rng(1)
here = pathlib.Path(__file__).parent


def picture(w, h, channels):
    y, x = np.mgrid[0:h, 0:w]
    waves = np.stack([127 + 80 * np.sin(x / (3 + c) + y / (5 - c)) for c in range(channels)], -1)
    pixels = np.clip(waves + rng.normal(0, 30, waves.shape), 0, 255).astype(np.uint8)
    return pixels[:, :, 0] if channels == 1 else pixels


CASES = {  # name: (width, height, channels, options of Pillow's writer)
    "444": (19, 13, 3, dict(subsampling=0, quality=90)),
    "422": (21, 10, 3, dict(subsampling=1, quality=75)),
    "420": (33, 35, 3, dict(subsampling=2, quality=60)),
    "420_narrow": (3, 9, 3, dict(subsampling=2, quality=95)),
    "420_low": (40, 1, 3, dict(subsampling=2, quality=10)),
    "440": (48, 32, 3, dict(subsampling=1, quality=80, sampling=0x12)),
    "411": (64, 32, 3, dict(subsampling=2, quality=80, sampling=0x41)),
    "gray": (25, 17, 1, dict(quality=50)),
    "rgb": (17, 17, 3, dict(quality=80, keep_rgb=True)),
    "progressive": (37, 29, 3, dict(quality=70, progressive=True)),
    "progressive_gray": (31, 9, 1, dict(quality=85, progressive=True)),
    "restart": (70, 40, 3, dict(quality=75, restart_marker_blocks=3)),
    "progressive_restart": (70, 40, 3, dict(quality=40, progressive=True, restart_marker_blocks=2)),
}


def encode(w, h, channels, options):
    """Pillow cannot write all samplings: another one with as many blocks is put into the head."""
    sampling = options.pop("sampling", None)
    out = io.BytesIO()
    Image.fromarray(picture(w, h, channels)).save(out, "jpeg", **options)
    data = bytearray(out.getvalue())
    if sampling:
        data[data.index(b"\xff\xc0") + 11] = sampling
    return bytes(data)


if __name__ == "__main__":
    for name, case in CASES.items():
        data = encode(*case)
        (here / f"{name}.jpg").write_bytes(data)
        Image.open(io.BytesIO(data)).save(here / f"{name}.png", optimize=True)
