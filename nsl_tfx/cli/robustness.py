"""The commands `nsl-tfx robustness ...`."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from nsl_tfx.configs import NormType, RobustnessConfig
from nsl_tfx.configs.attack_suite import AttackName, AttackPreset
from nsl_tfx.configs.base import MAX_SEED, Choice
from nsl_tfx.configs.corruption import CorruptionName, EditName
from nsl_tfx.io.printable import printable
from nsl_tfx.tools.commands import check_output, load, plain_errors

if TYPE_CHECKING:
    from nsl_tfx.robustness import RobustnessResult

_Function = TypeVar("_Function", bound=Callable[..., Any])

EXIT_CODES = {"pass": 0, "fail": 1, "inconclusive": 3}
"""By verdict."""

_DEFAULTS = {field.name: field.default for field in dataclasses.fields(RobustnessConfig)}
_LABEL = "label"
# TensorFlow's C++ side reads it once, when it is loaded; 3 leaves fatal errors alone.
_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"


@click.group()
def robustness() -> None:
    """Measure a model's accuracy under attack."""


def _list(context: click.Context, option: click.Parameter, value: str | None) -> Any:
    """Returns the names in a list with commas."""
    del context, option
    if value is None:
        return None
    return tuple(name.strip() for name in value.split(",") if name.strip())


def _attacks(context: click.Context, option: click.Parameter, value: str | None) -> Any:
    names = _list(context, option, value)
    if names is None or (len(names) == 1 and names[0] in set(AttackPreset)):
        return value
    return names


def _numbers(context: click.Context, option: click.Parameter, value: str | None) -> Any:
    names = _list(context, option, value)
    if names is None:
        return None
    try:
        return tuple(map(float, names))
    except ValueError:
        raise click.BadParameter(
            f"Expected numbers with commas between them. Received: {value!r}."
        ) from None


def _smoothing(context: click.Context, option: click.Parameter, value: float | None) -> Any:
    del context, option
    return None if value is None else {"sigma": value}


def _setting(flag: str, name: str, help_text: str, **settings: Any) -> Callable[[_Function], Any]:
    """Returns an option for a field of RobustnessConfig; one that is not given changes nothing."""
    default = _DEFAULTS[name]
    default = getattr(default, "value", default)
    if isinstance(default, (str, int, float)):
        help_text = f"{help_text}  [default: {default}]"
    return click.option(flag, name, default=None, help=help_text, **settings)


def _threshold(flag: str, name: str, help_text: str) -> Callable[[_Function], Any]:
    return _setting(flag, name, help_text, type=float, metavar="SHARE")


def _names(kind: type[Choice]) -> str:
    return ", ".join(str(member.value) for member in kind)


@robustness.command()
@click.argument("model", metavar="MODEL")
@click.argument("examples", nargs=-1, required=True)
@_setting(
    "--epsilon",
    "epsilon",
    "Largest change that the verdict counts, in units of the input.",
    type=float,
)
@_setting("--label", "label_feature", f"Feature with the class, an integer.  [default: {_LABEL}]")
@_setting(
    "--features",
    "features",
    "Features to attack, with commas.  [default: all float inputs]",
    callback=_list,
    metavar="NAMES",
)
@_setting(
    "--norm",
    "norm",
    "How a change is measured, over all features together.",
    type=click.Choice([str(norm.value) for norm in NormType]),
)
@_setting("--clip-min", "clip_value_min", "Smallest valid value of the features.", type=float)
@_setting("--clip-max", "clip_value_max", "Largest valid value of the features.", type=float)
@_setting(
    "--attacks",
    "attacks",
    f"A preset ({_names(AttackPreset)}), or attacks with commas: {_names(AttackName)}.",
    callback=_attacks,
    metavar="NAMES",
)
@_setting(
    "--curve",
    "curve",
    "Further epsilons to measure at, with commas.",
    callback=_numbers,
    metavar="NUMBERS",
)
@_setting(
    "--bisections",
    "bisections",
    "Halvings by which each example's smallest epsilon is searched for.",
    type=int,
)
@_setting(
    "--smoothing",
    "smoothing",
    "Certify the model smoothed by noise of this standard deviation, too.",
    callback=_smoothing,
    metavar="SIGMA",
    type=float,
)
@_setting(
    "--slices",
    "slices",
    "Features by whose values accuracies are told, with commas.",
    callback=_list,
    metavar="NAMES",
)
@_setting(
    "--corruptions",
    "corruptions",
    f"Accidents to measure as well, with commas: {_names(CorruptionName)}.",
    callback=_list,
    metavar="NAMES",
)
@_setting(
    "--edits",
    "edits",
    f"Changes of single features, with commas: {_names(EditName)}.",
    callback=_list,
    metavar="NAMES",
)
@_setting("--max-edits", "max_edits", "Features that an edit may change.", type=int)
@_setting(
    "--fault-features",
    "fault_features",
    "Inputs that corruptions and edits touch, with commas.  [default: all but neighbors']",
    callback=_list,
    metavar="NAMES",
)
@_threshold("--min-accuracy", "min_accuracy", "Fail below this accuracy.")
@_threshold("--min-robust-accuracy", "min_robust_accuracy", "Fail below this under attack.")
@_threshold("--min-slice-robust-accuracy", "min_slice_robust_accuracy", "Likewise in each slice.")
@_threshold(
    "--min-corrupted-accuracy",
    "min_corrupted_accuracy",
    "Fail below this under any corruption at its worst.",
)
@_threshold("--min-edited-accuracy", "min_edited_accuracy", "Fail below this under any edit.")
@_threshold(
    "--max-accuracy-drop",
    "max_accuracy_drop",
    "Fail where the accuracy is lower than the baseline's by more.",
)
@_threshold(
    "--min-robust-gain",
    "min_robust_gain",
    "Fail where the accuracy under attack is not higher than the baseline's by this.",
)
@click.option("--baseline", metavar="MODEL", help="Another model to compare with.")
@_setting("--id", "id_feature", "Feature that names the examples in the report.")
@_setting("--max-examples", "max_examples", "Evaluate a random sample of so many.", type=int)
@_setting(
    "--time-budget",
    "time_budget_s",
    "Begin with no further examples after so long.",
    type=float,
    metavar="SECONDS",
)
@_setting("--query-budget", "query_budget", "Likewise after so many calls of the model.", type=int)
@_setting("--batch-size", "batch_size", "Examples per call of the model.", type=int)
@_setting("--confidence", "confidence", "Confidence level of the intervals.", type=float)
@_setting(
    "--seed", "seed", "Seed of the sample and of the attacks.", type=click.IntRange(0, MAX_SEED)
)
@click.option("--schema", metavar="FILE", help="Schema of the examples; theirs is found without.")
@click.option(
    "--config",
    "config_file",
    metavar="FILE",
    help="JSON of a RobustnessConfig, which other options override.",
)
@click.option(
    "--output", metavar="FOLDER", help="Folder for report.html, metrics.json and examples.parquet."
)
@click.option("--json", "as_json", is_flag=True, help="Print what metrics.json holds instead.")
def evaluate(
    model: str,
    examples: tuple[str, ...],
    baseline: str | None,
    schema: str | None,
    config_file: str | None,
    output: str | None,
    as_json: bool,
    **settings: Any,
) -> None:
    """Attack MODEL with EXAMPLES that it was not trained on, and judge what comes of it.

    MODEL is a SavedModel's folder, or a .keras file. EXAMPLES are TFRecord files of tf.Examples,
    gzipped or not, .npz files of arrays by name, or globs of such files.

    \b
    Exit codes: 0 the model passes, 1 it fails, 3 inconclusive (the measurement
    cannot be trusted), 2 wrong options or input, 130 interrupted.

    \b
    Example: nsl-tfx robustness evaluate serving 'eval*.gz' --epsilon 0.1 \\
                 --clip-min 0 --clip-max 1 --min-robust-accuracy 0.5 --output report
    """  # noqa: D301 - click reads the mark
    given = {name: value for name, value in settings.items() if value is not None}
    with plain_errors():
        given = {**_read_config(config_file), **given}
        _require(given)
        if output is not None:
            check_output(output, "--output", is_folder=True)
        _load_quietly()
        result = _evaluate(model, examples, baseline, schema, given)
        try:
            # First, since a disk may be full.
            _print(result, as_json)
        finally:
            # Though nobody reads what is printed, as where it is piped into `head`.
            if output is not None:
                from nsl_tfx.robustness.reporting.files import save

                save(result, output)
        if output is not None and not as_json:
            click.echo(f"\nThe report is {os.path.join(output, 'report.html')}.")
    sys.exit(EXIT_CODES[result.verdict.value])


def _read_config(path: str | None) -> dict[str, Any]:
    if path is None:
        return {}
    # Some editors begin a file with a mark of its encoding.
    with open(path, encoding="utf-8-sig") as file:
        text = file.read()
    try:
        found = json.loads(text)
    except ValueError as error:
        raise ValueError(
            f"Expected JSON of a RobustnessConfig. Received: {path!r} ({error})."
        ) from None
    if not isinstance(found, Mapping):
        raise ValueError(
            f"Expected a JSON object with fields of RobustnessConfig. Received: {path!r}, a "
            f"{type(found).__name__}."
        )
    unknown = sorted(set(found) - set(_DEFAULTS))
    if unknown:
        raise ValueError(
            f"Expected fields of RobustnessConfig in {path!r}. Received: {', '.join(unknown)}."
        )
    return dict(found)


def _require(given: dict[str, Any]) -> None:
    if "epsilon" not in given:
        raise click.UsageError("Missing option '--epsilon', which neither a --config holds.")
    given.setdefault("label_feature", _LABEL)
    # What is wrong already is told before TensorFlow is loaded.
    RobustnessConfig(**{"features": ("\0",), **given})


def _load_quietly() -> None:
    """Imports what attacks models, and keeps what libraries print meanwhile off the terminal."""
    os.environ.setdefault(_LOG_LEVEL, "3")
    load(
        "nsl_tfx.io.arrow_start",
        "nsl_tfx.robustness",
        "nsl_tfx.robustness.reporting.files",
        "nsl_tfx.tools.embeddings",
        "nsl_tfx.tools.example_batches",
        quietly=True,
    )


def _evaluate(
    model: str,
    examples: tuple[str, ...],
    baseline: str | None,
    schema: str | None,
    settings: dict[str, Any],
) -> RobustnessResult:
    from nsl_tfx.robustness import evaluate as evaluate_model
    from nsl_tfx.tools.embeddings import find_files
    from nsl_tfx.tools.example_batches import batch_reader
    from nsl_tfx.tools.progress import progress_by_share

    files = find_files(examples)
    with progress_by_share("Loading the model") as report:
        tested = _load_model(model, "MODEL", settings.get("features", ()))
        inputs = dict(getattr(tested, "inputs", {}))
        if "features" not in settings:
            settings["features"] = _float_inputs(tested, files, settings["label_feature"])
            if not {*settings["features"]} <= {*inputs}:
                tested = _load_model(model, "MODEL", settings["features"])
                inputs = dict(tested.inputs)
        config = RobustnessConfig(**settings)
        reference = None
        if baseline is not None:
            reference = _load_model(baseline, "--baseline", config.features)
            inputs = {**getattr(reference, "inputs", {}), **inputs}
        reader = batch_reader(files, inputs, config.label_feature, config.batch_size, schema)
        return evaluate_model(tested, reader, config, reference, progress=report)


def _load_model(path: str, argument: str, features: tuple[str, ...]) -> Any:
    """Returns the model; the path itself where it cannot be attacked, which is a verdict."""
    import tensorflow as tf

    from nsl_tfx.robustness import UnusableModelError
    from nsl_tfx.robustness.models.loading import as_model, is_keras_file

    if not (is_keras_file(path) or tf.saved_model.contains_saved_model(path)):
        raise ValueError(
            f"Expected {argument} to be the folder of a SavedModel, or a .keras file. Received: "
            f"{path!r}, where there is none. Keras writes them by model.export(folder) and "
            "model.save(file)."
        )
    try:
        return as_model(path, tuple(features))
    except UnusableModelError:
        if not features:
            raise
        return path
    except ValueError as error:
        raise ValueError(f"{argument} {path!r}: {error}") from None


def _float_inputs(model: Any, files: list[str], label: str) -> tuple[str, ...]:
    from nsl_tfx.robustness.models.records import RECORD
    from nsl_tfx.tools.example_batches import feature_names, float_features

    if RECORD in model.inputs:
        found = ", ".join(float_features(files[0])) or "none"
        raise ValueError(
            "Expected --features to attack, since the model takes serialized tf.Examples and does "
            "not say which features it reads. Received: none. The examples have floats in: "
            f"{found}."
        )
    names = tuple(
        name for name, spec in model.inputs.items() if spec.dtype.is_floating and name != label
    )
    if len(model.inputs) > 1 or {*names} <= {*feature_names(files[0])}:
        return names
    # Keras calls the input of a Sequential "keras_tensor", and no file does.
    others = [name for name in float_features(files[0]) if name != label]
    if len(others) > 1:
        raise ValueError(
            f"Expected --features to name what the model's only input {names[0]!r} takes, since "
            f"the examples have no feature of that name. Received: none. {files[0]} has floats in: "
            f"{', '.join(others)}."
        )
    return tuple(others) or names


def _print(result: RobustnessResult, as_json: bool) -> None:
    from nsl_tfx.robustness.reporting.summary import summarize

    if as_json:
        click.echo(result.to_json(), nl=False)
        return
    click.echo(printable(summarize(result), keep="\n"))
