"""The network streams: steps equal the whole, and nothing is heard from beyond the look-ahead."""

import pytest
import torch

from captalk_ros.direction import N_DIRECTION
from captalk_ros.model.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from captalk_ros.model.config import RegressionConfig, SpeechConfig
from captalk_ros.model.regression import Regression
from captalk_ros.timebase import FRAME_SAMPLES

N_FRAMES = 40


@pytest.fixture
def model() -> Regression:
    torch.manual_seed(0)
    return Regression(RegressionConfig(speech=SpeechConfig(width=32), width=32, direction_width=16)).eval()


def random_input(n_frames: int = N_FRAMES) -> tuple[torch.Tensor, ...]:
    torch.manual_seed(1)
    return 0.1 * torch.randn(1, n_frames * FRAME_SAMPLES), torch.randn(1, n_frames, N_DIRECTION)


@pytest.mark.parametrize("n_step_frames", [1, 3, 7])
def test_steps_equal_the_whole(model, n_step_frames):
    samples, direction = random_input()
    whole, _ = model.step(samples, direction, model.init_state(1))
    state, parts = model.init_state(1), []
    for start in range(0, N_FRAMES, n_step_frames):
        frames = slice(start, start + n_step_frames)
        heard = samples[:, start * FRAME_SAMPLES : (start + n_step_frames) * FRAME_SAMPLES]
        output, state = model.step(heard, direction[:, frames], state)
        parts.append(torch.cat([output.motion, output.controls], dim=2))
    assert torch.allclose(torch.cat(parts, dim=1), torch.cat([whole.motion, whole.controls], dim=2), atol=1e-5)


def test_no_gradient_from_beyond_the_look_ahead(model):
    samples, direction = random_input()
    samples.requires_grad_()
    output, _ = model.step(samples, direction, model.init_state(1))
    frame = 20  # its motion leaves when frame + lookahead has been heard
    output.motion[0, frame + model.config.lookahead_frames].sum().backward()
    gradient = samples.grad[0].abs()
    heard_until = (frame + 1 + model.config.lookahead_frames) * FRAME_SAMPLES
    assert gradient[heard_until:].max() == 0
    assert gradient[heard_until - FRAME_SAMPLES : heard_until].max() > 0


def test_streams_do_not_disturb_each_other(model):
    samples, direction = random_input()
    alone, _ = model.step(samples, direction, model.init_state(1))
    together, _ = model.step(torch.cat([samples, -samples]), direction.repeat(2, 1, 1), model.init_state(2))
    assert torch.allclose(together.motion[:1], alone.motion, atol=1e-5)


def test_a_checkpoint_gives_back_the_model(model, tmp_path):
    save_checkpoint(tmp_path / "m.safetensors", model, {"steps": 3})
    again, card = load_checkpoint(tmp_path / "m.safetensors")
    assert again.config == model.config and card["made"] == {"steps": 3}
    samples, direction = random_input(5)
    expected, _ = model.step(samples, direction, model.init_state(1))
    given, _ = again.step(samples, direction, again.init_state(1))
    assert torch.allclose(given.motion, expected.motion, atol=1e-2)  # weights are kept as float16


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('"fps": 25', '"fps": 30', "fps is 30, expected 25"),
        ('"units55"', '"flame106"', "motion_space is 'flame106', expected 'units55'"),
        ('"width": 32,\n    "n_motion"', '"width": 48,\n    "n_motion"', "do not fit"),
        ('"kind": "regression"', '"kind": "magic"', "kind is 'magic'"),
        ("{", "[", "not JSON"),
    ],
)
def test_a_card_that_disagrees_is_refused(model, tmp_path, before, after, message):
    save_checkpoint(tmp_path / "m.safetensors", model, {})
    card = tmp_path / "m.json"
    assert before in card.read_text()
    card.write_text(card.read_text().replace(before, after, 1))
    with pytest.raises(CheckpointError, match=message) as error:
        load_checkpoint(tmp_path / "m.safetensors")
    assert "\n" not in str(error.value)


def test_damaged_or_missing_weights_are_refused(model, tmp_path):
    path = tmp_path / "m.safetensors"
    with pytest.raises(CheckpointError, match="no such file"):
        load_checkpoint(path)
    save_checkpoint(path, model, {})
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="sha256"):
        load_checkpoint(path)
