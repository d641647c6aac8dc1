"""Writes small JPEG 2000 files and, beside each, what Pillow decodes it to as a PNG. Needs numpy, Pillow and OpenJPEG's opj_compress."""
import io
import pathlib
import subprocess
import tempfile

import numpy as np
from PIL import Image

rng = np.random.default_rng(1)
here = pathlib.Path(__file__).parent


def picture(w, h, channels):
    y, x = np.mgrid[0:h, 0:w]
    waves = np.stack([127 + 80 * np.sin(x / (3 + c) + y / (5 - c)) for c in range(channels)], -1)
    pixels = np.clip(waves + rng.normal(0, 20, waves.shape), 0, 255).astype(np.uint8)
    return Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels)


CASES = {  # name: (width, height, channels, options of Pillow's writer, or of opj_compress)
    "reversible": (33, 21, 3, {}),
    "gray": (17, 40, 1, {}),
    "alpha": (13, 11, 4, {}),
    "one": (1, 1, 3, {}),
    "row": (19, 1, 1, {}),
    "irreversible": (33, 21, 3, dict(irreversible=True)),
    "layers": (40, 30, 3, dict(irreversible=True, quality_layers=[40, 20, 4])),
    "layers_reversible": (40, 30, 3, dict(quality_layers=[30, 10, 3])),
    "tiles": (40, 37, 3, dict(tile_size=(16, 24), num_resolutions=3)),
    "offset": (45, 31, 3, dict(offset=(7, 5), tile_offset=(3, 2), tile_size=(20, 17), num_resolutions=4)),
    "precincts": (40, 36, 3, dict(precinct_size=(32, 16), codeblock_size=(8, 8), num_resolutions=3)),
    "RLCP": (40, 36, 3, dict(progression="RLCP", precinct_size=(32, 32), quality_layers=[20, 5], codeblock_size=(16, 8))),
    "RPCL": (40, 36, 3, dict(progression="RPCL", precinct_size=(32, 32), quality_layers=[20, 5], codeblock_size=(16, 8))),
    "PCRL": (40, 36, 3, dict(progression="PCRL", precinct_size=(32, 32), quality_layers=[20, 5], codeblock_size=(16, 8))),
    "CPRL": (40, 36, 3, dict(progression="CPRL", precinct_size=(32, 32), quality_layers=[20, 5], codeblock_size=(16, 8))),
    "codestream": (20, 20, 3, dict(no_jp2=True, mct=0)),
    "bypass": (36, 36, 3, ["-M", "1"]),
    "reset_causal": (36, 36, 3, ["-M", "10"]),
    "terminate": (36, 36, 3, ["-M", "4"]),
    "all_modes": (36, 36, 3, ["-M", "63", "-SOP", "-EPH"]),
    "bypass_layers": (36, 36, 3, ["-M", "1", "-r", "20,4,1"]),
}


def encode(w, h, channels, options):
    image = picture(w, h, channels)
    if isinstance(options, dict):
        out = io.BytesIO()
        image.save(out, "jpeg2000", **options)
        return out.getvalue()
    with tempfile.TemporaryDirectory() as tmp:
        image.save(f"{tmp}/in.ppm")
        subprocess.run(["opj_compress", "-i", f"{tmp}/in.ppm", "-o", f"{tmp}/out.jp2", *options], check=True, stdout=subprocess.DEVNULL)
        return pathlib.Path(f"{tmp}/out.jp2").read_bytes()


if __name__ == "__main__":
    for name, case in CASES.items():
        data = encode(*case)
        (here / f"{name}.jp2").write_bytes(data)
        image = Image.open(io.BytesIO(data))
        if image.mode == "RGBA":
            image = image.convert("RGB")
        image.save(here / f"{name}.png", optimize=True)
