"""Training inside TFX's Trainer, and the parts of it for those who write their own `run_fn`.

`run_fn` does all of it. Its parts, in the order in which a `run_fn` of yours would call them:
`read_config`, `training_data`, `make_example_spec`, `training_dataset` and `validation_dataset`,
`make_regularized_model`, `export_model`; `train` is all but the first and the last.
"""

from nsl_tfx.trainer.building import make_regularized_model
from nsl_tfx.trainer.custom_config import custom_config, read_config
from nsl_tfx.trainer.example_spec import ExampleSpec, make_example_spec
from nsl_tfx.trainer.export import export_model
from nsl_tfx.trainer.finite_loss import NonFiniteLossError
from nsl_tfx.trainer.input import training_dataset, validation_dataset
from nsl_tfx.trainer.model_fn import ModelContext
from nsl_tfx.trainer.preparing import TrainingData
from nsl_tfx.trainer.run import run_fn, training_data
from nsl_tfx.trainer.training import train
from nsl_tfx.trainer.transform_graph import TransformGraph
from nsl_tfx.trainer.tuning import tuner_fn

__all__ = [
    "ExampleSpec",
    "ModelContext",
    "NonFiniteLossError",
    "TrainingData",
    "TransformGraph",
    "custom_config",
    "export_model",
    "make_example_spec",
    "make_regularized_model",
    "read_config",
    "run_fn",
    "train",
    "training_data",
    "training_dataset",
    "tuner_fn",
    "validation_dataset",
]
