"""The user's own FLAME file as a `Head`: loaded safely, the 52 units fitted onto its expression basis once."""

import hashlib
import os
from pathlib import Path

import numpy as np

from captalk_ros.head.fit_units import UnitFit, fit_units
from captalk_ros.head.flame import (
    LEFT_EYE,
    N_JOINTS,
    RIGHT_EYE,
    Head,
    HeadError,
    head_from_arrays,
    open_head,
    read_arrays,
)
from captalk_ros.head.restricted_pickle import PickleError, read_flame_pickle

N_EXPRESSION = 100  # FLAME's shapedirs hold identity first, then this many expressions
_FIT_VERSION = 2
_NEEDED = ("v_template", "f", "shapedirs", "J_regressor", "weights")


def _check(model: dict) -> None:
    """Raise HeadError where arrays of a FLAME dict are missing or disagree."""
    if missing := [name for name in _NEEDED if name not in model]:
        raise HeadError(f"not a FLAME model: it lacks {', '.join(missing)}")
    n_vertices = len(model["v_template"])
    expected = {
        "v_template": (n_vertices, 3),
        "weights": (n_vertices, N_JOINTS),
        "J_regressor": (N_JOINTS, n_vertices),
    }
    for name, shape in expected.items():
        if np.shape(model[name]) != shape:
            raise HeadError(f"{name} has shape {np.shape(model[name])}, expected {shape}")
    found = np.shape(model["shapedirs"])
    if len(found) != 3 or found[:2] != (n_vertices, 3) or found[2] <= N_EXPRESSION:
        raise HeadError(f"shapedirs has shape {found}, expected ({n_vertices}, 3, more than {N_EXPRESSION})")


def _cache_path(path: Path) -> Path:
    """Where the fit for this very file is kept."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:24]
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return root / "captalk_ros" / f"flame-{digest}-v{_FIT_VERSION}.npz"


def _bare_head(model: dict, name: str) -> Head:
    """The FLAME model as a head that knows no units yet."""
    template = np.asarray(model["v_template"], np.float32)
    directions = np.asarray(model["shapedirs"], np.float32)
    shape_basis, expression_basis = directions[..., :-N_EXPRESSION], directions[..., -N_EXPRESSION:]
    regressor = np.asarray(model["J_regressor"], np.float32)
    faces = np.asarray(model["f"]).astype(np.int32)
    posedirs = np.asarray(model["posedirs"], np.float32) if "posedirs" in model else None
    weights = np.asarray(model["weights"], np.float32)
    eyes = (weights[faces][..., [LEFT_EYE, RIGHT_EYE]] > 0.5).any(axis=-1).all(axis=-1)
    return Head(
        name=name,
        template=template,
        faces=faces,
        expression_basis=expression_basis,
        shape_basis=shape_basis,
        joints=regressor @ template,
        joint_shape_basis=np.einsum("jv,vxs->jxs", regressor, shape_basis),
        weights=weights,
        unit_expression=np.zeros((52, N_EXPRESSION), np.float32),
        unit_jaw_pose=np.zeros((52, 3), np.float32),
        unit_eye_pose=np.zeros((52, 6), np.float32),
        landmarks={},
        vertex_sets={},
        regions={"skin": np.flatnonzero(~eyes), "sclera": np.flatnonzero(eyes)},
        posedirs=posedirs if posedirs is not None and posedirs.shape[-1] == 36 else None,
    )


def _with_fit(head: Head, fit: UnitFit, reference: Head) -> Head:
    head.unit_expression, head.unit_jaw_pose = fit.unit_expression, fit.unit_jaw_pose
    head.unit_eye_pose = reference.unit_eye_pose
    head.landmarks = fit.landmarks
    head.vertex_sets = {"lips": fit.lips, "upper_face": fit.upper_face}
    skin = head.regions["skin"]
    inside = np.isin(head.faces[skin], fit.mouth).any(axis=1)
    head.regions = {**head.regions, "skin": skin[~inside], "mouth": skin[inside]}
    return head


def load_flame(path: str | Path) -> Head:
    """The user's FLAME model (`.pkl` as from the FLAME site, or an `.npz` of the same arrays).

    The first load fits the 52 units onto the model's expression basis and jaw, some seconds; the fit is kept in the
    user's cache folder, keyed by the file's content.

    Raises:
        HeadError: not a FLAME model; the message says what was found.
    """
    path = Path(path)
    if not path.is_file():
        raise HeadError(f"{path}: no such file")
    try:
        model = read_arrays(path) if path.suffix == ".npz" else read_flame_pickle(path)
        _check(model)
    except (HeadError, PickleError) as error:
        raise HeadError(f"{path}: {error}") from error
    head, reference = _bare_head(model, f"flame:{path.stem}"), open_head()
    cache = _cache_path(path)
    if cache.is_file():
        try:
            return _with_fit(head, UnitFit.load(cache), reference)
        except (HeadError, KeyError):  # a damaged cache is made anew
            cache.unlink()
    try:
        fit = fit_units(head, reference)
    except HeadError as error:
        raise HeadError(f"{path}: {error}") from error
    fit.save(cache)
    return _with_fit(head, fit, reference)


def load_any(path: str | Path) -> Head:
    """A baked head or a FLAME model, told apart by content.

    Raises:
        HeadError: neither; the message says what was found.
    """
    path = Path(path)
    if path.suffix == ".npz":
        try:
            arrays = read_arrays(path)
            if "v_template" not in arrays:
                return head_from_arrays(arrays)
        except HeadError as error:
            raise HeadError(f"{path}: {error}") from error
    return load_flame(path)
