"""What all tests share."""

import os

# Before TensorFlow is first imported: its start-up lines would bury a failure's.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def pytest_collection_modifyitems(items):
    """Starts the files that hold slow tests first: at the end, others would wait for them."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
