"""Hand-made artifacts for tests of executors; TFX is imported only by tests that use them."""

from pathlib import Path
from typing import Any

import pytest


class Artifacts:
    """Makes artifacts below one folder."""

    def __init__(self, folder: Path):
        self.folder = folder

    def examples(self, name: str, splits: dict[str, list[list[dict[str, list]]]]) -> Any:
        """Makes Examples from the rows of each file of each split."""
        import tensorflow as tf
        from tfx.types import artifact_utils, standard_artifacts

        artifact = standard_artifacts.Examples()
        artifact.uri = str(self.folder / name)
        artifact.split_names = artifact_utils.encode_split_names(list(splits))
        artifact.set_string_custom_property("payload_format", "FORMAT_TF_EXAMPLE")
        for split, files in splits.items():
            folder = self.folder / name / f"Split-{split}"
            folder.mkdir(parents=True)
            for number, rows in enumerate(files):
                path = folder / f"data_tfrecord-{number:05d}-of-{len(files):05d}.gz"
                with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
                    for row in rows:
                        writer.write(self.record(row))
        return artifact

    def record(self, row: dict[str, list]) -> bytes:
        """Serializes a tf.Example of bytes, floats and integers."""
        from tests.tf_examples import make_example

        return make_example(**row)

    def schema(self, text: str, name: str = "schema") -> Any:
        """Makes a Schema from its text form."""
        artifact = self.empty("Schema", name)
        (self.folder / name).mkdir()
        (self.folder / name / "schema.pbtxt").write_text(text)
        return artifact

    def empty(self, kind: str, name: str) -> Any:
        """Makes an artifact whose folder does not exist, as Kubeflow hands it out."""
        from tfx.types import standard_artifacts

        from nsl_tfx.components.artifacts import NeighborGraph

        kinds = {"NeighborGraph": NeighborGraph}
        artifact = kinds[kind]() if kind in kinds else getattr(standard_artifacts, kind)()
        artifact.uri = str(self.folder / name)
        return artifact


@pytest.fixture
def artifacts(tmp_path: Path) -> Artifacts:
    return Artifacts(tmp_path)


def execute_component(
    executor_class: type, inputs: dict, outputs: dict, config: Any, *beam_args: str
) -> None:
    """Runs an executor as TFX would, with a runner that downloads nothing."""
    context = executor_class.Context(
        beam_pipeline_args=["--runner=FnApiRunner", "--sdk_container_image=local", *beam_args],
        unique_id="1",
    )
    executor_class(context).Do(
        {key: [artifact] for key, artifact in inputs.items()},
        {key: [artifact] for key, artifact in outputs.items()},
        {"config": config.to_json()},
    )


@pytest.fixture
def execute():
    return execute_component


def files_below(folder: str) -> dict[str, bytes]:
    """The content of each file, by its path below the folder."""
    files = (path for path in sorted(Path(folder).rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture
def files_of():
    return files_below
