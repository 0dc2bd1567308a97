"""Checks that CUDA has a kernel for each operation that ran on the simulated GPU. Needs torch with CUDA, but no GPU.

    LORALENS_GPU_REPORT=report.json build/release/tests/loralens_gpu train ...
    python tests/gpu/kernels.py report.json ...
"""
import json
import sys

import torch

if len(sys.argv) < 2:
    sys.exit(__doc__)
names = set().union(*(json.load(open(path))["operations"] for path in sys.argv[1:]))
missing = [name for name in sorted(names) if not torch._C._dispatch_has_kernel_for_dispatch_key(name, "CUDA")]
print(f"{len(names)} operations, torch {torch.__version__};", f"no kernel of CUDA for {missing}" if missing else "CUDA has them all")
sys.exit(bool(missing))
