"""Training inside TFX's Trainer, and the parts of it for those who write their own `run_fn`."""

from nsl_tfx.trainer.export import export_model
from nsl_tfx.trainer.input import training_dataset
from nsl_tfx.trainer.run import custom_config, run_fn, train

__all__ = ["custom_config", "export_model", "run_fn", "train", "training_dataset"]
