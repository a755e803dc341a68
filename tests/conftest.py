"""What all tests share."""

import os

# Before TensorFlow is first imported: its start-up lines would bury a failure's.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
