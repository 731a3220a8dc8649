"""What a time depends on besides the code: the machine, the versions, the threads."""

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console


def describe() -> dict[str, Any]:
    """Machine and versions, as plain data.

    >>> sorted(describe())
    ['blas', 'blas_threads', 'cores', 'cpu', 'jax', 'numpy', 'os', 'python']
    """
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return {
        "cpu": cpu(),
        "cores": cores(),
        "os": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "blas": f"{blas['name']} {blas['version']}",
        "blas_threads": blas_threads(),
        "jax": version("jax"),
    }


def cpu() -> str:
    """The model of the processor, as the system names it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or "unknown"


def cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def blas_threads() -> int | None:
    """The threads of NumPy's BLAS, or None where nothing tells."""
    try:
        from threadpoolctl import threadpool_info
    except ModuleNotFoundError:
        return None
    pools = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
    return max(pools, default=None)


def version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def show(console: Console, about: dict[str, Any]) -> None:
    """Two lines above a table."""
    console.print(f"{about['cpu']}, {about['cores']} cores, {about['os']}", soft_wrap=True)
    console.print(
        f"Python {about['python']}, NumPy {about['numpy']}, JAX {about['jax']}, "
        f"{about['blas']}, {about['blas_threads'] or 'unknown'} threads",
    )
