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
    """A `mujoco.Renderer` of square pictures, which may be thrown away in any thread. Raises NoCanvas.

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
            _let_go(mujoco)
            canvas.free()
    except Exception as error:
        raise NoCanvas(
            "MuJoCo cannot draw here; without a screen, apt-get install libosmesa6 and set MUJOCO_GL=osmesa, or egl "
            f"where there is a GPU ({type(error).__name__}: {error})"
        ) from None

    class Renderer(mujoco.Renderer):
        """Holds on to its canvas while it draws only: see `_let_go`."""

        def render(self, *, out: Any = None) -> Any:
            try:
                return super().render(out=out)
            finally:
                _let_go(mujoco)

    renderer = Renderer(model, size, size)
    _let_go(mujoco)
    return renderer


def _let_go(mujoco: Any) -> None:
    """No canvas of OSMesa is current in this thread any more.

    MuJoCo frees a canvas without this (it compares two pointers that are never equal). Where a renderer is thrown away
    in another thread than the one that drew, which the garbage collector decides, the process ends when that one
    looks at its canvas next.
    """
    if mujoco.GLContext.__module__ == "mujoco.osmesa":
        gl = importlib.import_module("OpenGL.GL")
        importlib.import_module("OpenGL.osmesa").OSMesaMakeCurrent(None, None, gl.GL_FLOAT, 0, 0)


def _has_no_screen() -> bool:
    return sys.platform == "linux" and "DISPLAY" not in os.environ and "WAYLAND_DISPLAY" not in os.environ
