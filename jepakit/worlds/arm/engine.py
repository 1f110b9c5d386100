"""MuJoCo, loaded when it is needed and told how to draw without a screen."""

import ctypes.util
import importlib
import os
import sys
import warnings
from typing import Any


class NoCanvas(ValueError):
    """There is nothing that MuJoCo could draw on: one sentence that says how to mend it."""


def load_mujoco() -> Any:
    """The package. Raises ImportError, with what to install, where it is missing.

    It decides how to draw when it is loaded first. So where nobody has (MUJOCO_GL) and there is no screen, OSMesa is
    chosen, whose pictures depend on no graphics card, or EGL where only that is installed.
    """
    if _has_no_screen() and "MUJOCO_GL" not in os.environ:
        found = [name for name, library in (("osmesa", "OSMesa"), ("egl", "EGL")) if ctypes.util.find_library(library)]
        os.environ["MUJOCO_GL"] = found[0] if found else "disable"
    try:
        return importlib.import_module("mujoco")
    except ImportError as error:
        raise ImportError(f"the arm is simulated by MuJoCo: pip install 'jepakit[arm]' ({error})") from None


def open_renderer(model: Any, size: int) -> Any:
    """A renderer of square pictures. Raises NoCanvas.

    It is tried out first, for one that fails complains again when it is thrown away.
    """
    mujoco = load_mujoco()
    if _has_no_screen() and "glfw" in getattr(getattr(mujoco, "GLContext", None), "__module__", ""):
        raise NoCanvas(
            "there is no screen to draw on; set MUJOCO_GL=osmesa before MuJoCo is imported for the first time"
        )
    try:
        with warnings.catch_warnings(action="ignore"):
            canvas = mujoco.GLContext(size, size)
            canvas.make_current()
            mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100).free()
            canvas.free()
    except Exception as error:
        raise NoCanvas(
            "MuJoCo cannot draw here; without a screen, apt-get install libosmesa6 and set MUJOCO_GL=osmesa, or egl "
            f"where there is a GPU ({type(error).__name__}: {error})"
        ) from None
    return mujoco.Renderer(model, size, size)


def _has_no_screen() -> bool:
    return sys.platform == "linux" and "DISPLAY" not in os.environ and "WAYLAND_DISPLAY" not in os.environ
