"""What the scripts share: one sentence instead of a traceback, for packages beyond Python's own that are
missing and for what the user can mend."""
import importlib.util
import json
import sys
from pathlib import Path

DEBIAN = {"matplotlib": "python3-matplotlib", "numpy": "python3-numpy", "PIL": "python3-pil",
          "torch": "python3-torch", "torchvision": "python3-torchvision"}
PYPI = {"torchinfo": "torchinfo==1.8.0"}


def need(*modules):
    """Ends the program with exit code 1 when this Python has not all of `modules`."""
    for module in modules:
        if importlib.util.find_spec(module) is None:
            command = (f"apt-get install {DEBIAN[module]} gives it to /usr/bin/python3"
                       if module in DEBIAN else
                       f"python3 -m venv --system-site-packages ENV && ENV/bin/pip install {PYPI[module]}")
            sys.exit(f"{Path(sys.argv[0]).stem}: needs {module}, which {sys.executable} does not have: "
                     f"{command}")


class InputError(Exception):
    """What the user can mend."""


def run_script(main):
    """The process ends as main() does; with one line on standard error and exit code 1 for what the
    user can mend."""
    try:
        sys.exit(main())
    except (InputError, OSError) as error:
        sys.exit(f"{Path(sys.argv[0]).stem}: {error}")


def read_json(path):
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
