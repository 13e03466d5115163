"""The text encoder: the recipe of the published model, caching, threads, and a clear word when it is missing."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from captalk_ros.model import text as text_module
from captalk_ros.model.text import TEXT_DIM, TextEncoder, TextEncoderError

TEXTS = ["Happy", "neither happy nor sad, only reading the news", "", "sehr wütend 😡", "calm " * 300]


@pytest.fixture(scope="module")
def encoder():
    return TextEncoder()


def test_encodes_as_the_published_recipe_does(encoder):
    """Padded batch, masked mean over tokens, L2 norm: sentence-transformers' recipe for all-MiniLM-L6-v2."""
    from transformers import AutoModel, AutoTokenizer

    folder = text_module._packaged_model()
    tokens = AutoTokenizer.from_pretrained(folder)(
        TEXTS[:4], padding=True, truncation=True, max_length=256, return_tensors="pt"
    )
    with torch.inference_mode():
        states = AutoModel.from_pretrained(folder)(**tokens).last_hidden_state
    mask = tokens["attention_mask"][..., None].float()
    expected = torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1), dim=1).numpy()
    np.testing.assert_allclose(encoder.encode(TEXTS[:4]), expected, atol=1e-5)


def _forgetful(encoder):
    encoder._cache.clear()
    return encoder


def test_a_caption_alone_equals_the_caption_among_others(encoder):
    together = _forgetful(encoder).encode(TEXTS)
    alone = np.concatenate([_forgetful(encoder).encode([text]) for text in TEXTS])
    assert together.shape == (len(TEXTS), TEXT_DIM)
    assert together.dtype == np.float32
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1.0, atol=1e-5)


def test_meaning_is_near_meaning(encoder):
    happy, glad, angry = encoder.encode(["She is happy", "She is so glad", "He shouts in rage"])
    assert happy @ glad > happy @ angry


def test_white_space_and_control_characters_change_nothing(encoder):
    first, second = encoder.encode(["so happy", "  so\n\x00happy "])
    np.testing.assert_array_equal(first, second)


def test_no_captions_give_no_vectors(encoder):
    assert encoder.encode([]).shape == (0, TEXT_DIM)


def test_remembers_the_latest_captions_and_no_more(encoder, monkeypatch):
    monkeypatch.setattr(text_module, "CACHE_SIZE", 4)
    first = encoder.encode(["remember me"])
    many = encoder.encode([f"mood {k}" for k in range(9)])
    assert len(many) == 9
    assert len(encoder._cache) == 4
    np.testing.assert_allclose(encoder.encode(["remember me"]), first, atol=1e-6)


def test_tells_progress_to_the_end(encoder):
    told = []
    _forgetful(encoder).encode(["a", "b c", "d", "a"], progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (3, 3)


def test_threads_may_share_it(encoder):
    texts = [f"thread caption number {k % 7}" for k in range(28)]
    expected = {text: _forgetful(encoder).encode([text]) for text in texts}
    _forgetful(encoder)
    with ThreadPoolExecutor(4) as pool:
        for text, vector in zip(texts, pool.map(lambda text: encoder.encode([text]), texts), strict=True):
            np.testing.assert_array_equal(vector, expected[text])


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(TextEncoderError, match=r"expected config.json and model.safetensors"):
        TextEncoder(tmp_path).encode(["sad"])
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(TextEncoderError) as error:
        TextEncoder(tmp_path).encode(["sad"])
    assert "unusable text encoder" in str(error.value)
    assert "\n" not in str(error.value)


def test_importing_it_does_not_import_transformers():
    code = "import sys, captalk_ros.model.text; sys.exit('transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_known_caption_does_not_wait_for_new_ones():
    encoder = TextEncoder()
    known = encoder.encode(["furious"])
    encoding, answered = threading.Event(), threading.Event()

    def busy(done: int, total: int) -> None:
        encoding.set()
        assert answered.wait(60)

    thread = threading.Thread(target=encoder.encode, args=(["one that is new"], busy))
    thread.start()
    assert encoding.wait(60)
    lookup = threading.Thread(target=encoder.encode, args=(["furious"],), daemon=True)
    lookup.start()
    lookup.join(10)
    waited = lookup.is_alive()
    answered.set()
    thread.join()
    assert not waited and np.array_equal(encoder.encode(["furious"]), known)
