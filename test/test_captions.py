"""Captions in time: cleaning, timelines on disk, and the blend of captions at a sample."""

import json

import pytest

from captalk_ros.captions import (
    DEFAULT_TRANSITION_S,
    MAX_CHARACTERS,
    MAX_EVENTS,
    Caption,
    CaptionError,
    CaptionTrack,
    clean_caption,
    is_too_long,
    read_timeline,
)


def _write(tmp_path, content):
    path = tmp_path / "timeline.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_clean_caption_collapses_white_space_and_control_characters():
    assert clean_caption("  so\t\x00happy \u200b\r\n today\u2028! ") == "so happy today !"


def test_clean_caption_normalises_unicode_and_keeps_other_scripts():
    assert clean_caption("ﬁne\u00a0e\u0301tude") == "fine étude"
    assert clean_caption("とても悲しい 😀") == "とても悲しい 😀"


@pytest.mark.parametrize("text", ["", " ", "\n\x07"])
def test_an_empty_caption_stays_empty(text):
    assert clean_caption(text) == ""


def test_a_long_caption_is_cut_between_words():
    text = "angry words " * 900
    assert is_too_long(text)
    cut = clean_caption(text)
    assert 900 < len(cut) <= MAX_CHARACTERS
    assert cut.split()[-1] in ("angry", "words")
    assert not is_too_long(cut)
    assert len(clean_caption("a" * 10_000)) == MAX_CHARACTERS


def test_read_timeline_sorts_cleans_and_fills_in(tmp_path):
    path = _write(tmp_path, [{"time_s": 2, "emotion": " sad \n"}, {"time_s": 0, "style": "mumbles", "transition_s": 0}])
    assert read_timeline(path) == [
        Caption(0.0, "mumbles", "", 0.0),
        Caption(2.0, "", "sad", DEFAULT_TRANSITION_S),
    ]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("[{]", "not JSON"),
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ({"time_s": 0}, "holds an object, expected a list"),
        ([{"emotion": "sad"}], "caption 1 lacks 'time_s'"),
        ([{"time_s": 0}, "sad"], "caption 2 is text"),
        ([{"time_s": "0"}], "time_s is text, expected seconds"),
        ([{"time_s": -1}], "time_s is -1, expected seconds from 0"),
        ('[{"time_s": NaN}]', "time_s is nan"),
        ([{"time_s": True}], "time_s is true or false"),
        ([{"time_s": 0, "transition_s": 1e30}], "transition_s is 1e+30"),
        ([{"time_s": 0, "emotion": 3}], "emotion is the number 3, expected text"),
        ([{"time_s": 0, "emotions": "sad"}], "has 'emotions', expected only time_s, style, emotion, transition_s"),
    ],
)
def test_read_timeline_says_in_one_line_what_is_wrong(tmp_path, content, told):
    with pytest.raises(CaptionError) as error:
        read_timeline(_write(tmp_path, content))
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_read_timeline_of_a_missing_or_binary_file(tmp_path):
    with pytest.raises(CaptionError, match="No such file"):
        read_timeline(tmp_path / "none.json")
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CaptionError, match="not JSON"):
        read_timeline(tmp_path / "binary.json")


def test_before_any_caption_nothing_is_in_force():
    assert CaptionTrack().blend(0) == ([("", 1.0)], [("", 1.0)])


def test_a_caption_eases_in_over_its_transition():
    track = CaptionTrack()
    track.add(1000, emotion="sad", transition_samples=400)
    assert track.blend(999)[1] == [("", 1.0)]
    weights = [dict(track.blend(sample)[1]).get("sad", 0.0) for sample in range(1000, 1401, 50)]
    assert weights == sorted(weights)
    assert weights[0] == 0.0
    assert weights[4] == pytest.approx(0.5)
    assert weights[-1] == 1.0
    assert weights[1] < 1 / 16 < weights[2]  # smooth at the start: slower than linear
    assert track.blend(5000) == ([("", 1.0)], [("sad", 1.0)])


def test_style_and_emotion_change_apart_and_empty_leaves_as_it_is():
    track = CaptionTrack()
    track.add(0, "mumbles", "sad")
    track.add(100, emotion="happy")
    track.add(200, style="sways")
    assert track.blend(150) == ([("mumbles", 1.0)], [("happy", 1.0)])
    assert track.blend(200) == ([("sways", 1.0)], [("happy", 1.0)])


def test_a_change_in_the_middle_of_a_change_goes_on_from_there():
    track = CaptionTrack()
    track.add(0, emotion="sad")
    track.add(1000, emotion="happy", transition_samples=400)
    track.add(1200, emotion="angry", transition_samples=400)
    before, after = dict(track.blend(1199)[1]), dict(track.blend(1200)[1])
    assert after == pytest.approx({"sad": 0.5, "happy": 0.5})
    assert all(abs(after[text] - before[text]) < 0.01 for text in after)
    for sample in range(1200, 1601, 40):
        assert sum(dict(track.blend(sample)[1]).values()) == pytest.approx(1.0)
    assert track.blend(1600)[1] == [("angry", 1.0)]


def test_back_to_the_same_caption_has_no_dip():
    track = CaptionTrack()
    track.add(0, emotion="sad")
    track.add(100, emotion="sad", transition_samples=400)
    assert track.blend(300)[1] == [("sad", 1.0)]


def test_many_quick_changes_stay_bounded_and_sum_to_one():
    track = CaptionTrack()
    for k in range(200):
        track.add(10 * k, emotion=f"mood {k}", transition_samples=6400)
        blend = track.blend(10 * k + 5)[1]
        assert len(blend) <= 8
        assert sum(weight for _, weight in blend) == pytest.approx(1.0)


def test_the_blend_depends_on_samples_not_on_when_captions_were_added_or_read():
    changes = [(640, "a"), (1280, "b"), (1300, "c")]
    early, late = CaptionTrack(), CaptionTrack()
    for sample, text in reversed(changes):
        early.add(sample, emotion=text, transition_samples=2000)
    frames = range(0, 6400, 640)
    blends = [early.blend(sample) for sample in frames]
    late_blends = []
    for frame in frames:
        for sample, text in changes:
            if frame <= sample < frame + 640:
                late.add(sample, emotion=text, transition_samples=2000)
        late_blends.append(late.blend(frame))
    assert late_blends == blends


def test_of_two_captions_at_one_sample_the_later_added_wins():
    track = CaptionTrack()
    track.add(0, emotion="sad")
    track.add(0, emotion="happy")
    assert track.blend(0)[1] == [("happy", 1.0)]


def test_what_was_read_is_not_changed_by_a_caption_for_the_past():
    track = CaptionTrack()
    track.blend(1000)
    track.add(0, emotion="sad", transition_samples=400)
    assert track.blend(1000)[1] == [("", 1.0)]
    assert dict(track.blend(1200)[1])["sad"] == pytest.approx(0.5)


def test_too_many_waiting_captions_are_refused():
    track = CaptionTrack()
    for k in range(MAX_EVENTS):
        track.add(k + 1, emotion="sad")
    with pytest.raises(CaptionError, match="over 1024 captions wait"):
        track.add(1, emotion="sad")
    track.blend(MAX_EVENTS)
    track.add(MAX_EVENTS + 1, emotion="sad")
