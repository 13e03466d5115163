"""Reads FLAME's pickle without running what is in it: numpy arrays, scipy's sparse matrices and chumpy's arrays only.

A pickle may name any function of any module and have it called. Here each name is looked up in a short list; sparse
matrices and chumpy arrays become plain numpy arrays by stand-ins, so neither scipy nor chumpy is needed.
"""

import pickle
from pathlib import Path

import numpy as np

from captalk_ros.errors import InputError


class PickleError(InputError):
    """A pickle that is damaged or asks for something that a FLAME file does not need."""


class _Held:
    """Keeps the state of an object that has a stand-in."""

    def __init__(self, *arguments: object) -> None:
        self.state: dict = {}

    def __setstate__(self, state: dict) -> None:
        self.state = dict(state)


class _Chumpy(_Held):
    """`chumpy.Ch`: an array in `x`."""

    def array(self) -> np.ndarray:
        return np.asarray(plain(self.state["x"]))


class _ChumpySelect(_Held):
    """`chumpy.reordering.Select`: chosen elements of another array."""

    def array(self) -> np.ndarray:
        chosen = np.asarray(plain(self.state["a"])).ravel()[np.asarray(self.state["idxs"])]
        return chosen.reshape(self.state.get("preferred_shape", chosen.shape))


class _Sparse(_Held):
    """A compressed sparse matrix of scipy; `by_column` tells csc from csr."""

    by_column = True

    def array(self) -> np.ndarray:
        shape = tuple(self.state.get("_shape", self.state.get("shape", ())))
        starts, others = np.asarray(self.state["indptr"]), np.asarray(self.state["indices"])
        own = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        dense = np.zeros(shape)
        dense[(others, own) if self.by_column else (own, others)] = np.asarray(self.state["data"])
        return dense


class _SparseRows(_Sparse):
    by_column = False


def _latin1(text: str, encoding: str = "latin1") -> bytes:
    """Bytes of an old pickle, which were written as text."""
    if encoding.lower() not in ("latin1", "latin-1", "iso-8859-1"):
        raise PickleError(f"the pickle asks for the encoding {encoding!r}, expected latin1")
    return text.encode("latin1")


def _reconstruct(kind: type, base: type, state: object) -> object:
    """`copyreg._reconstructor` for the stand-ins alone."""
    if not (isinstance(kind, type) and issubclass(kind, _Held)):
        raise PickleError(f"the pickle builds a {kind!r}, which a FLAME file does not need")
    return kind()


def _allowed() -> dict[tuple[str, str], object]:
    """(module, name) as written in pickles -> what stands for it."""
    names: dict[tuple[str, str], object] = {("numpy", "ndarray"): np.ndarray, ("numpy", "dtype"): np.dtype}
    for core in ("numpy.core.multiarray", "numpy._core.multiarray"):
        for name in ("_reconstruct", "scalar"):
            names[core, name] = getattr(np._core.multiarray if hasattr(np, "_core") else np.core.multiarray, name)
    for module in ("scipy.sparse.csc", "scipy.sparse._csc"):
        names[module, "csc_matrix"] = _Sparse
    for module in ("scipy.sparse.csr", "scipy.sparse._csr"):
        names[module, "csr_matrix"] = _SparseRows
    names["chumpy.ch", "Ch"] = names["chumpy", "Ch"] = _Chumpy
    names["chumpy.reordering", "Select"] = _ChumpySelect
    for module in ("copy_reg", "copyreg"):
        names[module, "_reconstructor"] = _reconstruct
    names["__builtin__", "object"] = names["builtins", "object"] = object
    names["_codecs", "encode"] = _latin1
    return names


class _Unpickler(pickle.Unpickler):
    _names = _allowed()

    def find_class(self, module: str, name: str) -> object:
        """What a name in the pickle stands for; a name off the list is refused before anything of it runs."""
        if (module, name) not in self._names:
            raise PickleError(f"the pickle asks for {module}.{name}, which a FLAME file does not need; it was not run")
        return self._names[module, name]


def plain(value: object) -> object:
    """The array that a stand-in holds; anything else as it is."""
    return value.array() if isinstance(value, _Held) else value


def read_flame_pickle(path: str | Path) -> dict[str, object]:
    """The dict in a FLAME `.pkl`, with plain values.

    Raises:
        PickleError: not a pickled dict, damaged, or it asks for anything but arrays.
    """
    with Path(path).open("rb") as file:
        try:
            content = _Unpickler(file, encoding="latin1").load()
        except PickleError:
            raise
        except (pickle.UnpicklingError, EOFError, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            raise PickleError(f"not a FLAME pickle ({type(error).__name__}: {error})") from error
    if not isinstance(content, dict):
        raise PickleError(f"the pickle holds a {type(content).__name__}, expected FLAME's dict")
    return {str(name): plain(value) for name, value in content.items()}
