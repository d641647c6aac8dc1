"""The memory that an engine takes: memory.go measures Emily's in the same way."""

import gc


def status():
    """Sizes of this process in bytes, by name; none outside of Linux."""
    try:
        lines = open("/proc/self/status").readlines()
    except OSError:
        return {}
    return {line.split(":")[0]: 1024 * int(line.split()[1]) for line in lines if line.endswith("kB\n")}


class Meter:
    """Made before the model is loaded."""

    def __init__(self):
        self.base = status().get("RssAnon", 0)

    def peak(self):
        """What the process and MLX's allocator took at most since the last call, without mapped files and what was there before."""
        import mlx.core as mx

        s = status()
        peaks = [s.get("VmHWM", 0) - s.get("RssFile", 0) - self.base, mx.get_peak_memory()]
        gc.collect()
        mx.reset_peak_memory()
        try:
            open("/proc/self/clear_refs", "w").write("5")
        except OSError:
            pass
        return peaks
