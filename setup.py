"""Build entry of keras_phase; `pip install .` and `pip wheel .` come through here.

Metadata lives here, tool settings in pyproject.toml. The native operations of custom_ops are one
shared library that links neither Python nor TensorFlow, so building takes a C++17 compiler (`CXX`,
else `g++` or `clang++`) and nothing else, and one wheel serves every Python and TensorFlow.

`KERAS_PHASE_NATIVE` in the environment: `auto` (the default: without a working compiler, stock
operations only, and a warning), `require` (then that is an error) or `0` (do not build).
"""

import ast
import json
import os
import platform
import re
import shutil
import subprocess
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from setuptools import Command, Extension, find_packages, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError

ROOT = Path(__file__).resolve().parent
CUSTOM_OPS = ROOT / "custom_ops"
NATIVE = os.environ.get("KERAS_PHASE_NATIVE", "auto")
# No errno and no traps, so that loops with square roots and divisions become vectors.
FLAGS = "-std=c++17 -O3 -fPIC -fvisibility=hidden -fno-math-errno -fno-trapping-math -Wall".split()
# The files of one instruction set; the library chooses at run time.
FLAGS_OF_FILE = {
    "kernels_avx2.cc": "-mavx2 -mfma".split(),
    "kernels_avx512.cc": (
        "-mavx2 -mfma -mavx512f -mavx512vl -mavx512dq -mavx512bw -mprefer-vector-width=512".split()
    ),
}


def sources() -> list[str]:
    """The C++ files for this processor, relative to the root."""
    files = sorted([*CUSTOM_OPS.glob("cpu/*.cc"), *CUSTOM_OPS.glob("bind/*.cc")])
    if platform.machine().lower() not in ("x86_64", "amd64"):
        files = [f for f in files if f.name not in FLAGS_OF_FILE]
    return [str(f.relative_to(ROOT)) for f in files]


def run_compiler(*arguments: str) -> None:
    """Run the C++ compiler.

    Raises:
        OSError: if there is none.
        subprocess.CalledProcessError: if it fails.
    """
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        raise OSError("no C++ compiler: neither CXX is set, nor are g++ or clang++ on the path")
    subprocess.run([*compiler.split(), *arguments], check=True, capture_output=True, text=True)


def compile_files(files: list[str], folder: Path, flags: list[str]) -> list[str]:
    """Compile files, relative to the root, into objects in a folder; returns these."""
    includes = [f"-I{CUSTOM_OPS / 'include'}", f"-I{CUSTOM_OPS}"]
    folder.mkdir(parents=True, exist_ok=True)

    def compile_file(file: str) -> str:
        path = ROOT / file
        made = str(folder / f"{path.stem}.o")
        run_compiler(
            *flags, *FLAGS_OF_FILE.get(path.name, []), *includes, "-c", str(path), "-o", made
        )
        return made

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(compile_file, files))


class BuildNative(build_ext):
    """Compile custom_ops to `keras_phase/_lib/libkeras_phase.so`, beside a record of its size."""

    def get_ext_filename(self, fullname: str) -> str:
        """The library is not a Python module: its name says nothing of Python."""
        return os.path.join(*fullname.split(".")[:-1], "libkeras_phase.so")

    def build_extension(self, ext: Extension) -> None:
        """Compile, or say why not, as `KERAS_PHASE_NATIVE` wants it."""
        library = Path(self.get_ext_fullpath(ext.name))
        try:
            self._compile(ext, library)
        except (OSError, subprocess.CalledProcessError) as error:
            output = getattr(error, "stderr", "") or ""
            reason = f"the native operations were not built: {error}\n{output}".strip()
            if NATIVE == "require":
                raise CompileError(f"KERAS_PHASE_NATIVE=require, but {reason}") from error
            warnings.warn(
                f"keras_phase will run on stock operations: {reason}\nInstall a C++17 compiler "
                "(Debian: apt-get install g++) and install again with `--no-cache-dir "
                "--force-reinstall`.",
                stacklevel=2,
            )
            library.unlink(missing_ok=True)

    def _compile(self, ext: Extension, library: Path) -> None:
        made = compile_files(ext.sources, Path(self.build_temp).resolve(), FLAGS)
        library.parent.mkdir(parents=True, exist_ok=True)
        new = library.with_suffix(".new")
        run_compiler("-shared", "-o", str(new), *made, "-lpthread", "-ldl")
        new.replace(library)  # a process that has the old one open keeps it
        header = (CUSTOM_OPS / "include/keras_phase/abi.h").read_text(encoding="utf-8")
        abi = int(re.search(r"KERAS_PHASE_ABI_VERSION (\d+)", header)[1])
        record = {"abi": abi, "size": library.stat().st_size}
        library.with_name("build.json").write_text(json.dumps(record), encoding="utf-8")

    def copy_extensions_to_source(self) -> None:
        """For an editable install: put what was built beside the sources."""
        folder = ROOT / "keras_phase" / "_lib"
        shutil.rmtree(folder, ignore_errors=True)
        built = Path(self.build_lib, "keras_phase", "_lib")
        if built.exists():
            shutil.copytree(built, folder)

    def get_outputs(self) -> list[str]:
        """The library and its record, if they were built."""
        return sorted(map(str, Path(self.build_lib, "keras_phase", "_lib").glob("*")))

    def get_output_mapping(self) -> dict[str, str]:
        """Nothing is linked from elsewhere: an editable install finds its own copy."""
        return {}


class BuildFuzz(Command):
    """`setup.py fuzz --sanitizer=thread`: the program of custom_ops/tests, in build/fuzz."""

    user_options = [("sanitizer=", None, "what the compiler's -fsanitize takes")]  # noqa: RUF012

    def initialize_options(self) -> None:
        """Addresses and undefined behaviour."""
        self.sanitizer = "address,undefined"

    def finalize_options(self) -> None:
        """Nothing."""

    def run(self) -> None:
        """Compile and link it, without TensorFlow."""
        sanitize = [f"-fsanitize={self.sanitizer}", "-fno-omit-frame-pointer"]
        name = self.sanitizer.split(",")[0]
        files = [f for f in sources() if not f.endswith("tf_c_api.cc")]
        files += [str(f.relative_to(ROOT)) for f in sorted(CUSTOM_OPS.glob("tests/*.cc"))]
        made = compile_files(
            files, ROOT / "build" / f"fuzz-{name}", [*FLAGS, "-O1", "-g", *sanitize]
        )
        program = ROOT / "build" / f"fuzz-{name}" / "fuzz"
        run_compiler(*sanitize, "-o", str(program), *made, "-lpthread", "-ldl")


class PlatformWheel(bdist_wheel):
    """Tags the wheel `py3-none-PLATFORM`: the library depends on no version of Python."""

    def get_tag(self) -> tuple[str, str, str]:
        """As above; `any` if nothing was built."""
        built = next(Path(self.bdist_dir).glob("keras_phase/_lib/*.so"), None)
        return ("py3", "none", super().get_tag()[2] if built else "any")


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
    "convert": ["ai-edge-litert", "onnx", "onnxruntime", "tf2onnx"],
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
        "setuptools>=70.1",  # the wheel test builds without isolation
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
    ext_modules=[]
    if NATIVE == "0"
    else [
        Extension(
            "keras_phase._lib.native",
            sources=sources(),
            depends=[str(f.relative_to(ROOT)) for f in sorted(CUSTOM_OPS.rglob("*.h"))],
        )
    ],
    cmdclass={"build_ext": BuildNative, "bdist_wheel": PlatformWheel, "fuzz": BuildFuzz},
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
