from models import make_model  # noqa: F401

from nsl_tfx.trainer import run_fn, tuner_fn  # noqa: F401
