"""Build entry of keras_phase; `pip install .` and `pip wheel .` come through here.

Metadata lives here, tool settings in pyproject.toml. A later native library only has to add
`ext_modules` and a `build_ext` command: nothing else in the project builds anything.
"""

import ast
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent


def version() -> str:
    """`__version__` of the package, read without importing it (and so without importing Keras)."""
    source = (ROOT / "keras_phase" / "__init__.py").read_text(encoding="utf-8")
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "__version__":
            return ast.literal_eval(node.value)
    raise RuntimeError("keras_phase/__init__.py must assign a string literal to __version__.")


PLOTS = ["matplotlib>=3.7"]
EXAMPLES = ["absl-py", "scikit-learn", *PLOTS]

EXTRAS = {
    "tensorflow": ["tensorflow>=2.16"],
    "tfmot": ["tensorflow-model-optimization>=0.8", "tf_keras"],
    "plots": PLOTS,
    "wavelets": ["PyWavelets"],
    "tensorboard": ["tensorboard"],
    "examples": EXAMPLES,
    "dev": [
        *EXAMPLES,
        "clifford",  # independent oracle of the algebra laws
        "hypothesis",
        "pytest>=8",
        "pytest-xdist",
        "ruff>=0.17,<0.18",  # the formatter's output changes from minor to minor
        "setuptools>=61",  # the wheel test builds without isolation
        "wheel",
    ],
}

setup(
    name="keras_phase",
    version=version(),
    description="Keras 3 layers over algebras (complex, quaternion, ...) and pruning by phase.",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=find_packages(include=["keras_phase", "keras_phase.*"]),
    package_data={"keras_phase": ["py.typed"]},
    zip_safe=False,
    install_requires=["keras>=3.5", "numpy"],
    extras_require=EXTRAS,
    keywords="keras complex-valued quaternion pruning phase hypercomplex",
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Science/Research",
        "Programming Language :: Python :: 3 :: Only",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
)
