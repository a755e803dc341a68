"""Measuring models on the workers of a Beam pipeline.

What is found about an example does not depend on the part, the worker or the runner.
"""

from __future__ import annotations

import dataclasses
import io
import math
import pickle
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow as tf
from apache_beam.utils.shared import Shared
from numpy.typing import NDArray

from nsl_tfx.configs import RobustnessConfig
from nsl_tfx.robustness.attacking.reference import Reference
from nsl_tfx.robustness.data import Examples
from nsl_tfx.robustness.measuring.local import Loaded, Measured, OnProgress, plan_parts
from nsl_tfx.robustness.measuring.measure import Measurement
from nsl_tfx.robustness.models.loading import as_model
from nsl_tfx.robustness.models.model import UnusableModelError
from nsl_tfx.robustness.outcomes import Outcomes, join_outcomes


@dataclasses.dataclass(frozen=True)
class _Job:
    """What each worker has to know.

    Attributes:
        folder: Holds the parts' examples, and takes their outcomes.
        models: The SavedModels' folders, with the number of classes that the labels tell.
        config: What to measure.
        reference: What all parts share.
        deadline: Seconds since the epoch after which no further part begins.
    """

    folder: str
    models: tuple[str, ...]
    classes: int
    config: RobustnessConfig
    reference: Reference
    deadline: float

    def examples_file(self, part: int) -> str:
        return f"{self.folder}/examples-{part:05d}"

    def outcomes_file(self, part: int) -> str:
        return f"{self.folder}/outcomes-{part:05d}"


class BeamMeasure:
    """Measures models part by part, each on some worker; for `nsl_tfx.robustness.evaluate`.

    A part is four batches, so that `RobustnessConfig.batch_size` says how finely the work may be
    shared.

    Args:
        make_pipeline: Makes a pipeline, to be used as a context.
        folder: A folder that all workers can read and write, for what passes between them and the
            caller; what is put there is removed again.

    Raises:
        TypeError: A model is no SavedModel's folder, which is how workers come by it.
    """

    def __init__(self, make_pipeline: Callable[[], Any], folder: str) -> None:
        self._make_pipeline, self._folder = make_pipeline, folder

    def __call__(
        self,
        models: Sequence[Loaded],
        examples: Examples,
        config: RobustnessConfig,
        progress: OnProgress,
    ) -> list[Measured]:
        """Measures each model on the same examples; see `nsl_tfx.robustness.measuring.local`."""
        for loaded in models:
            if not isinstance(loaded.source, str):
                raise TypeError(
                    "Expected models as SavedModels' folders, from which Beam's workers load them. "
                    f"Received: {type(loaded.source).__name__}."
                )
        seconds = math.inf if config.time_budget_s is None else config.time_budget_s
        job = _Job(
            folder=self._folder,
            models=tuple(loaded.source for loaded in models),
            classes=int(examples.labels.max()) + 1,
            config=config,
            reference=Reference.of(examples, config),
            deadline=time.time() + seconds,
        )
        parts = plan_parts(examples, config, len(models))
        tf.io.gfile.makedirs(job.folder)
        try:
            for number, rows in enumerate(parts):
                _write(job.examples_file(number), (examples.take(rows), rows))
            progress(0.0, f"{len(parts)} parts")
            with self._make_pipeline() as pipeline:
                _ = (
                    pipeline
                    | "Parts" >> beam.Create(range(len(parts)))
                    # Else Beam may give all of them to one worker.
                    | "Spread" >> beam.Reshuffle()
                    | "Measure" >> beam.ParDo(_MeasurePart(job))
                )
            found = [_read(path) for path in _present(job, len(parts))]
        finally:
            for number in range(len(parts)):
                for path in (job.examples_file(number), job.outcomes_file(number)):
                    if tf.io.gfile.exists(path):
                        tf.io.gfile.remove(path)
        progress(1.0, "done")
        return [_join([part[i] for part in found]) for i in range(len(models))]


class _MeasurePart(beam.DoFn):
    """Measures a part and leaves its outcomes in a file."""

    def __init__(self, job: _Job) -> None:
        self._job = job
        self._shared = Shared()

    def setup(self) -> None:
        # Once for each process, whatever number of bundles and threads it has.
        self._models = self._shared.acquire(lambda: _Models(self._job))

    def process(self, part: int) -> Iterator[None]:
        # The first part is measured whatever the time: without it there is no result.
        if part and time.time() >= self._job.deadline:
            return
        examples, rows = _read(self._job.examples_file(part))
        _write(self._job.outcomes_file(part), self._models.measure(examples, rows))
        yield from ()


class _Models:
    """The loaded models of a process."""

    def __init__(self, job: _Job) -> None:
        loaded = [as_model(path, job.config.features) for path in job.models]
        self._measurements = [
            Measurement(model.with_classes(job.classes), job.config, job.reference)
            for model in loaded
        ]
        self._lock = threading.Lock()

    def measure(self, examples: Examples, rows: NDArray[np.int64]) -> list[Measured]:
        found: list[Measured] = []
        # TensorFlow uses all cores for one part.
        with self._lock:
            for measurement in self._measurements:
                try:
                    found.append(measurement.measure(examples, rows))
                except UnusableModelError as error:
                    found.append(error)
        return found


def _present(job: _Job, parts: int) -> list[str]:
    paths = [job.outcomes_file(number) for number in range(parts)]
    return [path for path in paths if tf.io.gfile.exists(path)]


def _join(found: list[Measured]) -> Measured:
    for part in found:
        if isinstance(part, UnusableModelError):
            return part
    return join_outcomes([part for part in found if isinstance(part, Outcomes)])


def _write(path: str, value: Any) -> None:
    # Under another name first: what a killed worker leaves is never taken for whole.
    unfinished = f"{path}.{threading.get_ident()}.{time.time_ns()}"
    with tf.io.gfile.GFile(unfinished, "wb") as file:
        file.write(pickle.dumps(value))
    tf.io.gfile.rename(unfinished, path, overwrite=True)


def _read(path: str) -> Any:
    with tf.io.gfile.GFile(path, "rb") as file:
        return pickle.load(io.BytesIO(file.read()))
