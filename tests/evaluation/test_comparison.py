"""Runs read from folders and revisions; grouped, paired, judged."""

import hashlib
import json
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from harmonic.__main__ import main
from harmonic.data.classes import CLASSES
from harmonic.errors import InputError
from harmonic.evaluation.comparison import compare
from harmonic.evaluation.comparison_text import comparison_text
from harmonic.evaluation.pooling import pooled_answers
from harmonic.evaluation.predictions import write_predictions
from harmonic.evaluation.run_folder import folder_name, keep_truth, write_run
from harmonic.evaluation.run_places import matching
from harmonic.evaluation.runs import read_runs, runs_table
from harmonic.files import write_json
from studies.pages.reading import by_arm, kept_answers

NAMES = np.array(CLASSES)


def probabilities(labels, quality, seed):
    random = np.random.default_rng(seed)
    logits = random.normal(size=(len(labels), 7))
    logits[np.arange(len(labels)), labels] += quality
    exponential = np.exp(logits)
    return exponential / exponential.sum(axis=1, keepdims=True)


def image_ids(count, first=0):
    return [f"ISIC_{number:07d}" for number in range(first, first + count)]


@pytest.fixture(scope="module")
def results(tmp_path_factory, draw):
    """A folder of runs: cnn and harmonic alike, wide clearly better; three seeds each."""
    runs = tmp_path_factory.mktemp("results") / "runs"
    test = draw(lesions=250, seed=1)
    ids = image_ids(len(test.labels))
    truth = pd.DataFrame({"image": ids, "lesion_id": test.lesions, "dx": NAMES[test.labels]})
    keep_truth(runs, "0123456789ab", truth)
    for arm, quality in (("harmonic", 1.5), ("cnn", 1.5), ("wide", 3.5)):
        for seed in range(3):
            found = probabilities(test.labels, quality, [seed, len(arm)])
            table = pd.DataFrame(found, columns=[name.upper() for name in CLASSES])
            table.insert(0, "image", ids)
            score = sk.balanced_accuracy_score(test.labels, found.argmax(axis=1))
            kept(runs, "small", arm, seed, table, balanced_accuracy=score, accuracy=score / 2)
    kept(runs, "search", "cnn", 0, None)
    return runs


def kept(runs, study, arm, seed, answers, **figures):
    record = {"study": study, "arm": arm, "seed": seed, "data": "0123456789ab", "commit": "c0ffee"}
    folder = runs / study / folder_name(arm, seed)
    params = {"seed": seed, "model": arm}
    write_run(folder, params=params, record=record, figures=figures, answers=answers)
    return folder


def test_writing_a_run_leaves_what_lies_beside_it(tmp_path):
    study = tmp_path / "small"
    for name in (".cnn-seed0.old", ".cnn-seed0.1", ".unfinished-cnn-seed1"):
        (study / name).mkdir(parents=True)
        (study / name / "mine.txt").touch()
    (study / ".cnn-seed0.tar").touch()
    (study / ".unfinished-cnn-seed0").mkdir()  # a kill's; of this very process number, perhaps
    (study / ".unfinished-cnn-seed0" / "params.yaml").touch()
    beside = {*study.rglob("*")} - {*study.glob(".unfinished-cnn-seed0*/**/*")}
    kept(tmp_path, "small", "cnn", 0, None)
    assert {*study.rglob("*")} > beside - {study / ".unfinished-cnn-seed0"}
    assert not (study / ".unfinished-cnn-seed0").exists()


def test_what_differs_is_said_and_what_does_not_is_not(results):
    (section,) = compare(read_runs([str(results)]), resamples=300)
    assert [arm.name for arm in section.arms] == ["cnn", "harmonic", "wide"]
    pairs = {pair.arm: pair for pair in section.pairs}
    assert set(pairs) == {"harmonic", "wide"}
    assert all(pair.reference == "cnn" and pair.seeds == (0, 1, 2) for pair in section.pairs)
    assert "no difference can be shown" in pairs["harmonic"].verdict
    assert "wide differs from cnn" in pairs["wide"].verdict
    low, high = pairs["wide"].differences["balanced_accuracy"].over_both
    assert 0 < low < pairs["wide"].differences["balanced_accuracy"].value < high
    assert pairs["wide"].only_one_right[2] < 1e-4
    assert pairs["wide"].differences["accuracy"].over_lesions is None
    values = [pair.differences[name] for pair in section.pairs for name in pair.differences]
    assert all(difference.interval for difference in values)


def test_one_seed_tells_of_two_networks_only(results):
    runs = [run for run in read_runs([str(results)]) if run.seed == 0]
    (section,) = compare(runs, resamples=100)
    for pair in section.pairs:
        assert "two single networks" in pair.verdict
        assert "accuracy" not in pair.differences  # no interval, so no difference
        assert pair.differences["balanced_accuracy"].over_seeds is None


def test_the_command_prints_writes_and_draws(results, tmp_path, capsys):
    files = {"--markdown": tmp_path / "c.md", "--plot": tmp_path / "c.svg"}
    options = [text for name, path in files.items() for text in (name, str(path))]
    arguments = ["compare", str(results), "--resamples", "100", *options]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert files["--markdown"].read_text(encoding="utf-8") == printed
    assert "| wide " in printed
    assert "against **cnn**" in printed
    assert b"<svg" in files["--plot"].read_bytes()


def test_folders_are_grouped_by_what_differs(tmp_path, draw, capsys):
    test = draw(lesions=60, seed=5)
    for number, (model, level) in enumerate((("cnn", None), ("harmonic", 3), ("harmonic", None))):
        a_run(tmp_path / f"run{number}", test, model, level, seed=0)
    runs = read_runs([str(tmp_path / f"run{number}") for number in range(3)])
    (section,) = compare(runs, resamples=20)
    names = [arm.name for arm in section.arms]
    assert names == [
        "cnn, train.level=None",
        "harmonic, train.level=3",
        "harmonic, train.level=None",
    ]
    by_model = compare(runs[:2], by=["model"], resamples=20)
    assert [arm.name for arm in by_model[0].arms] == ["cnn", "harmonic"]
    with pytest.raises(InputError, match="two runs of seed 0"):
        compare(runs, by=["model"])
    with pytest.raises(InputError, match="no colour to group by"):
        compare(runs, by=["colour"])


def test_an_arm_of_two_kinds_is_refused_and_what_a_run_lacks_tells_nothing(results, tmp_path):
    shutil.copytree(results.parent, tmp_path, dirs_exist_ok=True)
    params = tmp_path / "runs/small/wide-seed2/params.yaml"
    alike = params.read_text() + "archive: b.zip\nfind_lr: {steps: 30}\ndownload: {seed: 3}\n"
    other = tmp_path / "runs/small/wide-seed1/params.yaml"
    other.write_text(other.read_text() + "lr: 0.1\ndownload: {seed: 1}\n")
    params.write_text(alike)
    names = [str(tmp_path / "runs/small")]
    assert len(compare(read_runs(names), resamples=20)[0].pairs) == 2
    params.write_text(alike + "lr: 0.2\n")
    words = r"arm wide: run wide-seed2 has lr 0\.2, run wide-seed1 0\.1; runs of an arm"
    with pytest.raises(InputError, match=words):
        compare(read_runs(names), resamples=20)
    with pytest.raises(InputError, match=words):
        by_arm(read_runs(names))


def test_an_arm_of_several_data_is_no_row_of_a_page(results, tmp_path):
    """`archive` is no kind: the same parameters name other photographs on another machine."""
    shutil.copytree(results.parent, tmp_path, dirs_exist_ok=True)
    place = tmp_path / "runs/small/wide-seed1/run.json"
    write_json(place, json.loads(place.read_text()) | {"data": "abcdef012345"})
    truths = tmp_path / "data"
    shutil.copy(truths / "0123456789ab.csv.gz", truths / "abcdef012345.csv.gz")
    with pytest.raises(InputError, match="arm wide: its runs are of data 0123456789ab, abcdef0"):
        by_arm(read_runs([str(tmp_path / "runs/small")]))


def a_run(folder, test, model="cnn", level=None, seed=0, fold=None, first=0, ids=None):
    (folder / "reports").mkdir(parents=True)
    (folder / "data").mkdir()
    ids = image_ids(len(test.labels), first) if ids is None else ids
    found = probabilities(test.labels, 1.5, seed)
    write_predictions(folder / "reports" / "predictions.csv", ids, found)
    write_predictions(folder / "reports" / "predictions_natural.csv", ids, found)
    score = sk.balanced_accuracy_score(test.labels, found.argmax(axis=1))
    (folder / "reports" / "metrics.json").write_text(json.dumps({"balanced_accuracy": score}))
    split = {"image_id": ids, "lesion_id": np.char.add(test.lesions, f"_{first}")}
    table = pd.DataFrame(split | {"dx": NAMES[test.labels], "split": "test"})
    table.to_csv(folder / "data" / "split.csv", index=False)
    folds = "null" if fold is None else "3"
    (folder / "params.yaml").write_text(
        f"seed: {seed}\nmodel: {model}\nsplit: {{folds: {folds}, fold: {fold or 0}}}\n"
        f"train: {{level: {'null' if level is None else level}}}\n"
    )
    return score


def test_a_reference_may_be_missing_on_some_test_sets_but_not_on_all(tmp_path, draw):
    for name in ("cnn", "wide"):
        a_run(tmp_path / name, draw(lesions=40, seed=1), name)
    a_run(tmp_path / "cnn-other", draw(lesions=40, seed=2), "cnn", first=500)
    runs = read_runs([str(tmp_path / name) for name in ("cnn", "wide", "cnn-other")])
    first, other = compare(runs, by=["model"], reference="wide", resamples=20)
    assert first.pairs[0].reference == "wide"
    assert other.arms[0].name == "cnn"
    with pytest.raises(InputError, match="reference 'none': no such arm; there are cnn, wide"):
        compare(runs, by=["model"], reference="none", resamples=20)


def test_folds_are_pooled_into_one_evaluation(tmp_path, draw, capsys):
    tests = [draw(lesions=40, seed=fold) for fold in range(3)]
    first = 0
    for fold, test in enumerate(tests):
        a_run(tmp_path / f"fold{fold}", test, fold=fold, first=first)
        first += len(test.labels)
    names = [str(tmp_path / f"fold{fold}") for fold in (2, 0, 1)]
    answers = pooled_answers(read_runs(names))
    assert answers.image_ids.tolist() == image_ids(first)
    assert answers.labels.tolist() == np.concatenate([test.labels for test in tests]).tolist()
    output = tmp_path / "pooled"
    assert main(["pool", *names, "--output", str(output), "--resamples", "100"]) == 0
    metrics, figures = (
        json.loads((output / f"{name}.json").read_text()) for name in ("metrics", "figures")
    )
    expected = sk.balanced_accuracy_score(answers.labels, answers.balanced.argmax(axis=1))
    assert metrics["balanced_accuracy"] == pytest.approx(expected, abs=1e-4)
    assert figures["test_images"] == first
    assert "lesion_balanced_accuracy" in figures
    (again,) = read_runs([str(output)])
    assert again.answers is not None
    assert np.array_equal(again.answers.labels, answers.labels)
    (section,) = compare(read_runs(names), resamples=20)
    assert section.arms[0].values("balanced_accuracy") == [pytest.approx(expected)]
    with pytest.raises(InputError, match=r"folds \[0, 2\]"):
        pooled_answers(read_runs(names[:2]))


def test_bare_folders_whose_last_fold_is_missing_are_not_pooled(tmp_path, draw, capsys):
    first, truths, names = 0, [], []
    for fold in range(3):
        test = draw(lesions=40, seed=fold)
        a_run(tmp_path / "whole", test, fold=fold, first=first)
        place = (tmp_path / "whole/reports").rename(tmp_path / f"net-seed0-fold{fold}")
        write_json(place / "run.json", {"arm": "net", "seed": 0, "fold": fold})
        names.append(str(place))
        truths.append(pd.read_csv(tmp_path / "whole/data/split.csv"))
        shutil.rmtree(tmp_path / "whole")
        first += len(test.labels)
    pd.concat(truths).drop(columns="split").to_csv(tmp_path / "truth.csv", index=False)
    more = ["--output", str(tmp_path / "pooled"), "--truth", str(tmp_path / "truth.csv")]
    assert main(["pool", *names, *more, "--resamples", "99"]) == 1
    assert "--resamples 99: at least 100" in capsys.readouterr().err
    assert main(["pool", *names[:2], *more, "--resamples", "100"]) == 1
    assert "in no fold's test set" in capsys.readouterr().err
    assert not (tmp_path / "pooled").exists()
    assert main(["pool", *names, *more, "--resamples", "100"]) == 0


def test_lesions_in_two_folds_are_refused(tmp_path, draw):
    test = draw(lesions=40, seed=0)
    for fold in range(3):
        a_run(tmp_path / f"fold{fold}", test, fold=fold, first=1000 * fold)
    split = tmp_path / "fold1" / "data" / "split.csv"
    split.write_text(split.read_text().replace("_1000,", "_0,"))
    with pytest.raises(InputError, match="in the test sets of two folds"):
        pooled_answers(read_runs([str(tmp_path / f"fold{fold}") for fold in range(3)]))


def test_a_revision_is_a_run(tmp_path, draw, monkeypatch):
    a_run(tmp_path, draw(lesions=40, seed=0), model="harmonic")
    for command in (
        "git init -q .",
        "dvc init -q",
        "git add -A",
        "git -c user.name=a -c user.email=a@b commit -q -m first",
        "git tag here",
    ):
        subprocess.run(command.split(), cwd=tmp_path, check=True)
    monkeypatch.chdir(tmp_path)
    name_experiment(tmp_path, "harmonic-seed0")
    name_experiment(tmp_path, "cnn-seed0")
    assert matching("harmonic-*") == ["harmonic-seed0"]
    with pytest.raises(InputError, match="experiments are: cnn-seed0, harmonic-seed0"):
        matching("wide-*")
    (run,) = read_runs(["here"])
    assert run.traits["model"] == "harmonic"
    assert run.answers is not None
    with pytest.raises(InputError, match="run 'nowhere': no folder or revision"):
        read_runs(["nowhere"])


def name_experiment(folder, name):
    """What `dvc exp run --name` leaves in git, where the commit HEAD is the experiment."""
    git = ["git", "-C", str(folder)]
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    sha = head.stdout.strip()
    reference = f"refs/exps/{sha[:2]}/{sha[2:]}/{name}"
    subprocess.run([*git, "update-ref", reference, sha], check=True)


def test_predictions_of_another_run_are_refused(tmp_path, draw):
    score = a_run(tmp_path / "run", draw(lesions=60, seed=0))
    metrics = tmp_path / "run" / "reports" / "metrics.json"
    metrics.write_text(json.dumps({"balanced_accuracy": score + 0.1}))
    with pytest.raises(InputError, match="they are not of one run"):
        compare(read_runs([str(tmp_path / "run")]))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "run 'nowhere'"),
        (["{runs}", "--reference", "resnet"], "reference 'resnet'"),
        (["{runs}", "--metrics", "beauty"], "metric beauty"),
        (["{runs}", "--only", "huge"], "--only huge"),
        (["{runs}", "--arms", "cnn,fnn"], "--arms fnn: no run of it; there are: cnn, "),
        (["{runs}", "--plot", "a.pdf"], "must end in .svg"),
        (["{runs}", "--resamples", "99"], "--resamples 99: at least 100"),
        (["{runs}", "--markdown", "no/such/folder.md"], "--markdown"),
    ],
)
def test_bad_values_get_one_clear_line(results, arguments, words, capsys):
    filled = [text.format(runs=results) for text in arguments]
    assert main(["compare", *filled]) == 1
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert words in message


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--metrics", "beauty"], "metric beauty"),
        (["--reference", "resnet"], "reference 'resnet'"),
        (["--by", "train.level"], "has no train.level to group by"),
        (["--only", "huge"], "--only huge"),
        (["--arms", "fnn"], "--arms fnn"),
    ],
)
def test_arguments_are_checked_before_any_answers_are_read(
    results, tmp_path, arguments, words, capsys
):
    shutil.copytree(results, tmp_path / "runs")
    for answers in tmp_path.rglob("answers.csv.gz"):
        answers.write_bytes(b"nothing that can be read")
    assert main(["compare", str(tmp_path / "runs"), *arguments]) == 1
    assert words in capsys.readouterr().err


def test_runs_of_other_arms_are_not_read(results, tmp_path, capsys):
    shutil.copytree(results, tmp_path / "runs")
    (tmp_path / "runs" / "small" / "wide-seed0" / "params.yaml").write_text("{")
    runs = [str(tmp_path / "runs"), "--resamples", "100"]
    assert main(["compare", *runs, "--arms", "cnn,harmonic", "--only", "small"]) == 0
    assert "| wide " not in capsys.readouterr().out
    assert main(["compare", *runs]) == 1


def test_a_pattern_is_all_folders_that_match_it(results, monkeypatch, capsys):
    monkeypatch.chdir(results.parent)
    arguments = ["runs/small/cnn-*", "runs/small/wide-seed?", "--resamples", "100"]
    assert main(["compare", *arguments]) == 0
    printed = capsys.readouterr().out
    assert "**wide** against **cnn**" in printed
    assert "harmonic" not in printed
    assert main(["compare", "runs/large/*"]) == 1
    assert "run 'runs/large/*': no folder or experiment matches" in capsys.readouterr().err


def test_folds_of_another_kind_or_seed_and_missing_ones_are_refused(tmp_path, draw):
    for fold in range(3):
        a_run(tmp_path / f"fold{fold}", draw(lesions=40, seed=fold), fold=fold, first=1000 * fold)
    names = [str(tmp_path / f"fold{fold}") for fold in range(3)]
    params = tmp_path / "fold2" / "params.yaml"
    content = params.read_text()
    for old, new, words in (
        ("model: cnn", "model: harmonic", "model harmonic"),
        ("seed: 0", "seed: 1", "seed 1"),
        ("seed: 0", "seed: null", "seed is None"),
        ("fold: 2", "other: 2", "split.fold is missing"),
    ):
        params.write_text(content.replace(old, new))
        with pytest.raises(InputError, match=words):
            pooled_answers(read_runs(names))
    params.write_text(content)
    with pytest.raises(InputError, match="needed are 0 to 2"):
        pooled_answers(read_runs(names[:2]))


def test_metrics_that_are_no_numbers_and_doubled_rows_are_refused(tmp_path, draw):
    a_run(tmp_path, draw(lesions=40, seed=0))
    table = tmp_path / "reports" / "predictions.csv"
    lines = table.read_text().splitlines(keepends=True)
    table.write_text("".join([*lines, lines[1]]))
    with pytest.raises(InputError, match="stands there twice"):
        read_runs([str(tmp_path)])
    (tmp_path / "reports" / "metrics.json").write_text('{"balanced_accuracy": NaN}')
    with pytest.raises(InputError, match="balanced_accuracy is nan"):
        read_runs([str(tmp_path)])


def metrics_alone(folder, model, seed, score, more=""):
    folder.mkdir()
    metrics = {"balanced_accuracy": score, "test_lesions": 1000}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    (folder / "params.yaml").write_text(f"seed: {seed}\nmodel: {model}\n{more}")
    return str(folder)


def test_runs_of_other_splits_are_no_pair_and_the_report_makes_no_arm(tmp_path):
    names = [
        metrics_alone(tmp_path / "a", "cnn", 0, 0.5, "split: {seed: 0}\n"),
        metrics_alone(tmp_path / "b", "harmonic", 0, 0.6, "split: {seed: 1}\n"),
    ]
    sections = compare(read_runs(names))
    assert [section.pairs for section in sections] == [(), ()]
    text = comparison_text(sections, ["balanced_accuracy"])
    assert text.count("is compared with nothing: no other arm has this test set") == 2
    (tmp_path / "b" / "params.yaml").write_text(
        "seed: 0\nmodel: harmonic\nsplit: {seed: 0}\nreport: {baseline: a}\n"
    )
    (section,) = compare(read_runs(names))
    assert [arm.name for arm in section.arms] == ["cnn", "harmonic"]


def test_runs_without_a_partner_of_their_seed_are_named(tmp_path):
    scores = {("cnn", 1): 0.5, ("cnn", 2): 0.6, ("harmonic", 0): 0.6, ("harmonic", 1): 0.7}
    names = [
        metrics_alone(tmp_path / f"{model}{seed}", model, seed, score)
        for (model, seed), score in scores.items()
    ]
    text = comparison_text(compare(read_runs(names)), ["balanced_accuracy"])
    assert "Left out, as the other has no run of that seed: cnn 2; harmonic 0." in text
    assert "no difference can be shown between harmonic and cnn: no interval can be made" in text


def test_a_run_without_the_figure_judged_is_refused(results, tmp_path):
    shutil.copytree(results.parent, tmp_path, dirs_exist_ok=True)
    metrics = tmp_path / "runs/small/harmonic-seed0/metrics.json"
    metrics.write_text(json.dumps({"accuracy": 0.5}))
    with pytest.raises(InputError, match="run harmonic-seed0: has no balanced_accuracy"):
        compare(read_runs([str(tmp_path / "runs")]), resamples=10)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("run.json", b"[1, 2]", "run.json is no flat table"),
        ("run.json", b'{"study": ', "run.json: no valid JSON"),
        ("figures.json", b'{"mcc": "high"}', "figures.json: mcc is high"),
        ("answers.csv.gz", b"\x1f\x8b\x00", "no readable CSV"),
        ("params.yaml", b"a: [", "params.yaml, line 1: no valid YAML"),
        ("dvc.lock", b"stages: [train]", "dvc.lock is none of DVC's"),
    ],
)
def test_a_file_of_a_run_that_is_none_is_told(results, tmp_path, name, content, words):
    shutil.copytree(results.parent, tmp_path, dirs_exist_ok=True)
    (tmp_path / "runs/small/wide-seed1" / name).write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_runs([str(tmp_path / "runs")])


def test_a_workspace_is_of_the_parameters_that_made_it(tmp_path):
    """Those of dvc.lock, whatever params.yaml says since."""
    folder = metrics_alone(tmp_path / "here", "cnn", 7, 0.5, "train: {width: 64, level: 2}\n")
    params = "{model: harmonic, seed: 0, train: {width: 32}}"
    lock = f"stages: {{train: {{cmd: x, params: {{params.yaml: {params}}}}}}}"
    (tmp_path / "here/dvc.lock").write_text(lock)
    (run,) = read_runs([folder])
    assert (run.traits["model"], run.seed, run.traits["train.width"]) == ("harmonic", 0, "32")
    assert run.traits["train.level"] == "2"


def test_a_workspace_whose_figures_are_not_those_of_its_lock_is_refused(tmp_path, capsys):
    """Of a stage run by hand, or checked out without its lock: nobody knows what made them."""
    folder = metrics_alone(tmp_path / "here", "cnn", 7, 0.5)
    metrics = (tmp_path / "here/metrics.json").read_bytes()
    out = {"path": "reports/metrics.json", "hash": "md5", "md5": hashlib.md5(metrics).hexdigest()}
    stages = {"evaluate": {"params": {"params.yaml": {"model": "harmonic"}}, "outs": [out]}}
    (tmp_path / "here/dvc.lock").write_text(json.dumps({"stages": stages}))
    (run,) = read_runs([folder])
    assert (run.traits["model"], run.metrics_md5) == ("harmonic", out["md5"])
    (tmp_path / "here/metrics.json").write_text('{"balanced_accuracy": 0.9}')
    assert main(["compare", folder, folder]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "reports/metrics.json is not what dvc.lock records" in line


def test_a_run_copied_elsewhere_takes_the_truth_that_is_named(results, tmp_path):
    shutil.copytree(results / "small/wide-seed1", tmp_path / "copy")
    (run,) = read_runs([str(tmp_path / "copy")])
    assert (run.answers, run.traits["arm"], run.seed) == (None, "wide", 1)
    truth = results.parent / "data/0123456789ab.csv.gz"
    (run,) = read_runs([str(tmp_path / "copy")], truth)
    assert run.answers is not None


def test_training_frequencies_give_the_natural_rule(results, tmp_path):
    shutil.copytree(results.parent, tmp_path, dirs_exist_ok=True)
    place = tmp_path / "runs/small/wide-seed1/run.json"
    record = json.loads(place.read_text())
    place.write_text(json.dumps(record | {"class_counts": [1, 6, 1, 1, 1, 1, 1]}))
    (run,) = read_runs([str(place.parent)])
    expected = run.answers.balanced * np.array([1, 6, 1, 1, 1, 1, 1])
    expected /= expected.sum(axis=1, keepdims=True)
    assert np.allclose(run.answers.by_natural_rule(), expected)
    place.write_text(json.dumps(record | {"class_counts": [1, 2]}))
    with pytest.raises(InputError, match="class_counts are"):
        read_runs([str(place.parent)])


def test_unfinished_folders_and_files_are_no_runs(results, tmp_path):
    shutil.copytree(results.parent, tmp_path, dirs_exist_ok=True)
    whole = len(read_runs([str(tmp_path / "runs")]))
    (tmp_path / "runs/small/wide-seed1").rename(tmp_path / "runs/small/.wide-seed1.123")
    assert len(read_runs([str(tmp_path / "runs")])) == whole - 1
    with pytest.raises(InputError, match="is a file; name the folder of a run"):
        read_runs([str(tmp_path / "data/0123456789ab.csv.gz")])
    with pytest.raises(InputError, match="nor any run below it"):
        read_runs([str(tmp_path / "data")])


def test_a_table_of_runs_is_derived_from_their_folders(results):
    runs = read_runs([str(results)], answers=False)
    table = runs_table(runs)
    assert len(table) == 10
    assert table[table.study == "small"].groupby("arm").size().to_dict() == {
        "cnn": 3,
        "harmonic": 3,
        "wide": 3,
    }
    assert set(table["params.model"]) == {"cnn", "harmonic", "wide"}
    assert all(run.answers is None for run in runs)
    row = table[(table.arm == "wide") & (table.seed == 1)].iloc[0]
    (run,) = read_runs([row.folder])
    assert run.metrics["balanced_accuracy"] == row.balanced_accuracy


def test_what_makes_the_interval_over_lesions_impossible_is_named(results, tmp_path):
    shutil.copytree(results.parent, tmp_path, dirs_exist_ok=True)
    (tmp_path / "runs/small/harmonic-seed0/answers.csv.gz").unlink()
    sections = compare(read_runs([str(tmp_path / "runs/small")]), resamples=10)
    text = comparison_text(sections, ["balanced_accuracy"])
    assert text.count("for want of answers of: harmonic-seed0.") == 1


def test_intervals_over_seeds_are_wider_for_more_comparisons(tmp_path):
    scores = {"cnn": (0.5, 0.5, 0.5), "harmonic": (0.51, 0.52, 0.54), "wide": (0.5, 0.6, 0.4)}
    names = [
        metrics_alone(tmp_path / f"{model}{seed}", model, seed, score)
        for model, values in scores.items()
        for seed, score in enumerate(values)
    ]
    (one,) = compare(read_runs(names[:6]), metrics=["balanced_accuracy"])
    (two,) = compare(read_runs(names), metrics=["balanced_accuracy"])
    assert "[" not in one.pairs[0].verdict
    low = float(one.pairs[0].verdict.split("balanced accuracy ")[1].split(" to ")[0])
    assert float(two.pairs[0].verdict.split("balanced accuracy ")[1].split(" to ")[0]) < low


def test_names_of_arms_and_runs_cannot_steer_a_terminal(tmp_path, draw, capsys):
    for arm in ("plain", "esc\x1b[31m\u202ered\nline"):
        a_run(tmp_path / arm, draw(lesions=40, seed=0), json.dumps(arm))
    places = sorted(str(one) for one in tmp_path.iterdir())
    assert main(["compare", *places, "--by", "model"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(line.isprintable() for line in lines)
    assert any("esc\\x1b[31m\\u202ered\\nline" in line for line in lines)


ODD_IDS = ("0001", "1", "01.0", "1e3", "NA", "nan", "None", "null", "inf", "True", "-", "N/A")


@pytest.mark.parametrize("odd", [ODD_IDS, ()])
def test_ids_of_images_and_lesions_are_text(tmp_path, draw, odd):
    """0001 is not 1, and NA is a name, in a run's own files as in those kept in results/."""
    test = draw(lesions=40, seed=0)
    ids = [*odd, *(f"{number:04d}" for number in range(100, 100 + len(test.labels)))]
    ids = ids[: len(test.labels)]
    a_run(tmp_path / "run", test, ids=ids)
    table = pd.DataFrame({"image": ids, "lesion_id": ids, "dx": NAMES[test.labels]})
    keep_truth(tmp_path / "runs", "0123456789ab", table)
    found = probabilities(test.labels, 1.5, 0)
    answers = pd.DataFrame(found, columns=[name.upper() for name in CLASSES])
    answers.insert(0, "image", ids)
    kept(tmp_path / "runs", "odd", "cnn", 0, answers, balanced_accuracy=0.5)
    own, in_results = read_runs([str(tmp_path / "run"), str(tmp_path / "runs")])
    assert own.answers.image_ids.tolist() == in_results.answers.image_ids.tolist() == sorted(ids)
    assert in_results.answers.lesions.tolist() == sorted(ids)
    assert kept_answers(tmp_path, in_results).lesion_id.tolist() == ids


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda rows: rows.iloc[:-2], "has no answer"),
        (lambda rows: rows.assign(image=[*rows.image[:-1], "ISIC_9999999"]), "no truth for it"),
    ],
)
def test_test_images_without_an_answer_are_refused(tmp_path, draw, spoil, words):
    test = draw(lesions=40, seed=0)
    a_run(tmp_path, test)
    for rule in ("", "_natural"):
        path = tmp_path / "reports" / f"predictions{rule}.csv"
        spoil(pd.read_csv(path)).to_csv(path, index=False)
    with pytest.raises(InputError, match=words):
        read_runs([str(tmp_path)])


def test_answers_for_training_images_are_refused(tmp_path, draw):
    a_run(tmp_path, draw(lesions=40, seed=0))
    path = tmp_path / "data" / "split.csv"
    split = pd.read_csv(path)
    split.loc[3, "split"] = "train"
    split.to_csv(path, index=False)
    with pytest.raises(InputError, match="image ISIC_0000003: is no test image"):
        read_runs([str(tmp_path)])


def test_a_truth_that_is_not_there_is_said(tmp_path, draw, capsys):
    a_run(tmp_path / "run", draw(lesions=40, seed=0))
    assert main(["compare", str(tmp_path / "run"), "--truth", str(tmp_path / "none.csv")]) == 1
    assert "none.csv: no such file" in capsys.readouterr().err
