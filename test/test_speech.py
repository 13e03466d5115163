import shutil

import numpy as np
import pytest

from captalk_ros.timebase import SAMPLE_RATE_HZ
from captalk_ros.train.augment import augment, mu_law, telephone
from captalk_ros.train.phones import PHONE_NAMES, SIL, Phone, from_arpabet, from_festival, from_ipa, join_equal
from captalk_ros.train.sentences import FOREIGN, draw_sentence, is_test_text

ENGINES_HERE = all(shutil.which(program) for program in ("flite", "espeak-ng", "festival"))
needs_engines = pytest.mark.skipif(not ENGINES_HERE, reason="flite, espeak-ng and festival are not installed")


@pytest.mark.parametrize(
    ("ipa", "language", "phones"),
    [
        ("tʃ", "en-us", ("CH",)),
        ("aɪ", "en-us", ("AY",)),
        ("oʊ", "en-us", ("OW",)),
        ("ɔːɹ", "en-us", ("AO", "R")),
        ("əl", "en-us", ("AH", "L")),
        ("a", "en", ("AE",)),
        ("a", "es", ("AA",)),
        ("ts", "de", ("T", "S")),
        ("yː", "fr", ("UW",)),
        ("ø", "fr", ("UH",)),
        ("β", "es", ("V",)),
        ("r", "it", ("D",)),
        ("x", "de", ("HH",)),
        ("ɲ", "es", ("N",)),
        ("pː", "fi", ("P",)),
        ("", "fi", ()),
    ],
)
def test_foreign_phones_keep_the_shape_of_the_lips(ipa, language, phones):
    assert from_ipa(ipa, language) == phones


def test_engine_names_map_into_one_set():
    assert from_arpabet("ax") == ("AH",)
    assert from_arpabet("pau") == (SIL,)
    assert from_festival("r~", "cs") == ("ZH",)
    assert from_festival("p:", "fi") == ("P",)
    assert from_festival("O1", "ca") == ("AO",)
    with pytest.raises(ValueError, match="unknown phone 'qq' of festival's 'it' voices"):
        from_festival("qq", "it")


def test_geminates_are_one_phone():
    phones = [Phone("P", 0.0, 0.1), Phone("P", 0.1, 0.2), Phone("AA", 0.2, 0.3)]
    assert join_equal(phones) == [Phone("P", 0.0, 0.2), Phone("AA", 0.2, 0.3)]


def test_sentences_are_varied_and_splits_share_none():
    rng = np.random.default_rng(0)
    train = {draw_sentence(rng, split="train") for _ in range(1500)}
    test = {draw_sentence(rng, split="test") for _ in range(200)}
    assert len(train) > 1000
    assert not any(map(is_test_text, train))
    assert all(map(is_test_text, test))
    assert "{" not in "".join(train | test)


@pytest.mark.parametrize("language", sorted(FOREIGN))
def test_every_language_has_both_splits(language):
    rng = np.random.default_rng(1)
    assert draw_sentence(rng, language, "train") and draw_sentence(rng, language, "test")


def test_unknown_language_is_named():
    with pytest.raises(ValueError, match="no sentences in language 'xx'"):
        draw_sentence(np.random.default_rng(0), "xx")


def _bursts() -> np.ndarray:
    """Half a second of noise every second."""
    noise = 0.1 * np.random.default_rng(0).normal(size=(4, 2, SAMPLE_RATE_HZ // 2))
    noise[:, 0] = 0
    return noise.reshape(-1).astype(np.float32)


@pytest.mark.parametrize("seed", range(12))
def test_augmentation_keeps_length_and_timing(seed):
    samples = _bursts()
    heard = augment(samples, np.random.default_rng(seed), others=[samples[::-1]])
    assert heard.shape == samples.shape and heard.dtype == np.float32
    assert np.abs(heard).max() <= 1 and np.isfinite(heard).all()
    hop = SAMPLE_RATE_HZ // 100
    loudness = [np.log(np.square(x.reshape(-1, hop)).mean(axis=1) + 1e-6) for x in (samples, heard)]
    loudness = [np.diff(x - x.mean()) for x in loudness]
    lags = range(-10, 11)
    best = max(lags, key=lambda lag: np.dot(loudness[0], np.roll(loudness[1], -lag)))
    assert abs(best) <= 1  # 10 ms


@pytest.mark.parametrize("n_samples", [1, 10, 640])
def test_augmentation_bears_silence_and_short_clips(n_samples):
    for seed in range(20):
        heard = augment(np.zeros(n_samples, np.float32), np.random.default_rng(seed))
        assert heard.shape == (n_samples,) and np.isfinite(heard).all()


def test_telephone_passes_speech_only():
    rng = np.random.default_rng(0)
    spectrum = np.abs(np.fft.rfft(telephone(rng.normal(size=SAMPLE_RATE_HZ), rng)))  # 1 Hz a bin
    assert spectrum[5000:].mean() < 0.1 * spectrum[500:3000].mean()


def test_mu_law_is_close_and_coarse():
    samples = np.linspace(-0.5, 0.5, 1001)
    coded = mu_law(samples)
    assert np.abs(coded - samples).max() < 0.03
    assert len(np.unique(coded)) <= 255


def test_playing_faster_moves_phones_with_the_sound():
    morph = pytest.importorskip("captalk_ros.train.morph")
    samples = np.zeros(SAMPLE_RATE_HZ, np.float32)
    samples[8000:] = np.random.default_rng(0).normal(0, 0.1, 8000)
    faster, phones = morph.play_faster((samples, [Phone(SIL, 0.0, 0.5), Phone("S", 0.5, 1.0)]), 1.25)
    assert phones[1].start_s == pytest.approx(0.4, abs=1e-3)
    assert (
        np.abs(faster[: int(0.39 * SAMPLE_RATE_HZ)]).max() < 0.02 < np.abs(faster[int(0.41 * SAMPLE_RATE_HZ) :]).max()
    )


def _level_db(samples: np.ndarray, start_s: float, end_s: float) -> float:
    part = samples[int(start_s * SAMPLE_RATE_HZ) : int(end_s * SAMPLE_RATE_HZ)]
    return 10 * np.log10(np.square(part).mean() + 1e-12)


@needs_engines
@pytest.mark.parametrize("engine_and_name", [("flite", "rms"), ("espeak", "en-us+m3"), ("festival", "kal_diphone")])
@pytest.mark.parametrize("revoiced", [False, True])
def test_lips_are_shut_where_a_p_is_claimed(engine_and_name, revoiced):
    speech = pytest.importorskip("captalk_ros.train.speech")
    from captalk_ros.train.morph import revoice

    spoken = speech.synthesise("a happy puppy and a copper pepper", speech.Voice(*engine_and_name, "en"))
    samples, phones = spoken.samples, spoken.phones
    if revoiced:
        samples, phones = revoice((samples, phones), np.random.default_rng(0), formants=1.1, pitch=0.9, tempo=1.2)
    vowels = [p for p in phones if p.name in ("AE", "AH", "AA", "EH")]
    loud_db = np.median([_level_db(samples, p.start_s, p.end_s) for p in vowels])
    stops = [p for p in phones if p.name == "P"]
    assert len(stops) >= 5
    for stop in stops:
        length_s = stop.end_s - stop.start_s
        assert _level_db(samples, stop.start_s + 0.25 * length_s, stop.start_s + 0.6 * length_s) < loud_db - 10


@needs_engines
def test_utterances_are_whole_and_reproducible():
    speech = pytest.importorskip("captalk_ros.train.speech")
    made = [speech.make_utterance(i, seed=3) for i in range(8)]
    for utterance in made:
        assert np.isfinite(utterance.samples).all() and np.abs(utterance.samples).max() <= 1
        assert utterance.phones[0].start_s == 0
        assert utterance.phones[-1].end_s == pytest.approx(utterance.duration_s)
        for phone, following in zip(utterance.phones, utterance.phones[1:], strict=False):
            assert phone.end_s == pytest.approx(following.start_s) and phone.end_s > phone.start_s
        assert {phone.name for phone in utterance.phones} <= set(PHONE_NAMES)
        assert utterance.phones[0].name == SIL
    again = speech.make_utterance(5, seed=3)
    assert again.text == made[5].text and again.phones == made[5].phones
    np.testing.assert_array_equal(again.samples, made[5].samples)


@needs_engines
def test_test_voices_are_never_trained_on():
    speech = pytest.importorskip("captalk_ros.train.speech")
    members = {
        split: {voice for _, group in speech.voices(split).values() for voice in group} for split in ("train", "test")
    }
    assert members["test"] and not members["train"] & members["test"]
    assert speech.make_utterance(0, "test").voice in members["test"]


@needs_engines
def test_an_unknown_voice_is_named():
    speech = pytest.importorskip("captalk_ros.train.speech")
    with pytest.raises(speech.SynthesisError, match="nobody"):
        speech.synthesise("hello", speech.Voice("espeak", "nobody", "en"))
