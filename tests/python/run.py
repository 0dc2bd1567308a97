"""Builds the wheel from a build of the library, installs it into an environment of its own and runs the tests of this
folder there: run.py BUILD TORCH [PYTEST-ARGUMENT...]. TORCH: the folder of the package torch. Must be run by the Python
of .venv-python; the environment also sees the packages of .venv-python and .venv-test."""
import os
import pathlib
import subprocess
import sys
import sysconfig

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
build, torch = (pathlib.Path(path).resolve() for path in sys.argv[1:3])
folder = build / "python-package"
environment = folder / "env"
python = environment / "bin/python"
version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
packages = [torch.parent, sysconfig.get_path("purelib"), ROOT / ".venv-test/lib" / version / "site-packages"]


def run(*command):
    subprocess.run([*map(str, command)], check=True)


def pip(*arguments):
    run(sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments)


run(sys.executable, "-m", "venv", "--without-pip", "--clear", environment)
site = environment / "lib" / version / "site-packages"
(site / "torch").symlink_to(torch)  # beside the package, as pip installs it
(site / "packages_of_the_build.pth").write_text("".join(f"{path}\n" for path in packages))
if subprocess.run([python, "-c", "import torch"], capture_output=True).returncode != 0:
    print(f"skipped: {torch} is for another Python than {sys.version.split()[0]}")
    sys.exit(77)
for old in folder.glob("*.whl"):
    old.unlink()
settings = {"cmake.define.LORALENS_BUILT": build, "cmake.define.LORALENS_TORCH": torch, "build-dir": folder / "build"}
pip("wheel", ROOT, "--no-deps", "--no-build-isolation", "--wheel-dir", folder,
    *(word for name, value in settings.items() for word in ("--config-settings", f"{name}={value}")))
pip("--python", python, "install", "--no-deps", "--no-index", *folder.glob("*.whl"))
variables = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
tests = subprocess.run([python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *(sys.argv[3:] or [HERE])],
                       env=os.environ | variables)
sys.exit(tests.returncode)
