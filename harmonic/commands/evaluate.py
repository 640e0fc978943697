"""python -m harmonic evaluate: a trained network on images from elsewhere."""

import argparse
from pathlib import Path


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "evaluate",
        help="a trained network's figures on any archive of images",
        description="Answers every image of an archive (a zip file or folder in a layout that "
        "source=archive reads) and prints the figures, with 95 % intervals over lesions. Several "
        "models answer with the mean of their probabilities. Classes that the archive lacks are "
        "named: means over classes run over the others. Images that a network was trained on say "
        "nothing about it.",
    )
    parser.add_argument(
        "models", nargs="+", type=Path, metavar="MODEL", help=".safetensors or .onnx"
    )
    parser.add_argument("archive", type=Path, help="zip file or folder, table and images")
    parser.add_argument(
        "-o", "--output", type=Path, help="folder to make: a run, as `compare` reads it"
    )
    parser.add_argument("--resamples", type=int, default=1000, help="of the intervals (1000)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    import tempfile

    from harmonic.data.classes import CLASSES
    from harmonic.data.originals import read_manifest
    from harmonic.deploy.elsewhere import answers_elsewhere, read_elsewhere, write_elsewhere
    from harmonic.deploy.predictor import load_predictor
    from harmonic.errors import InputError
    from harmonic.evaluation.bootstrap import check_resamples, interval_text
    from harmonic.evaluation.run_folder import HEADLINE
    from harmonic.evaluation.scores import scores_of
    from harmonic.model_file.description import calibration_of

    check_resamples("--resamples", options.resamples)
    if options.output is not None and options.output.exists():
        raise InputError(f"--output {options.output}: is there already; give another name")
    predictors = [load_predictor(path) for path in options.models]
    with tempfile.TemporaryDirectory() as scratch:
        data = read_elsewhere(options.archive, Path(scratch))
        for line in data.left_out:
            print(f"evaluate: left out: {line}")
        answers = answers_elsewhere(predictors, data)
    if data.missing:
        print(
            f"evaluate: no image of {', '.join(data.missing)}: means over classes are over the "
            f"other {len(CLASSES) - len(data.missing)}"
        )
    if known := int((read_manifest().rows_of(answers.image_ids.tolist()) >= 0).sum()):
        print(f"evaluate: images with ids of HAM10000, which the network may have seen: {known}")
    alone = predictors[0].description if len(predictors) == 1 else None
    found = scores_of(
        answers,
        temperature=None if alone is None else calibration_of(alone, "").temperature,
        resamples=options.resamples,
        seed=0,
        index=data.metadata,
    )
    figures = found.figures
    images, lesions = (figures[f"test_{name}"] for name in ("images", "lesions"))
    print(f"evaluate: {images:.0f} images of {lesions:.0f} lesions")
    for name in HEADLINE:
        if name in figures:
            interval = interval_text(figures, name)
            print(f"    {name.replace('_', ' '):18} {figures[name]:.3f} {interval}")
    if options.output is not None:
        try:
            write_elsewhere(options.output, data, answers, found, predictors)
        except OSError as error:
            what = f"cannot be written ({error.strerror})"
            raise InputError(f"--output {options.output}: {what}") from None
