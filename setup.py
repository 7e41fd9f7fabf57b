"""Builds the page into the package where Node is found; all else about the package is in pyproject.toml.

Asked of `make`, which knows what the page is made of and does nothing when nothing has changed. What is installed in
place (`pip install --editable`) is left alone: there `make page` is said by whoever wants it. Without Node, or from an
archive that has no `web/`, what is there is packed; if that is no page, the engine runs all the same and says so at its
address.
"""

import subprocess
import sys
from pathlib import Path
from shutil import which

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

HERE = Path(__file__).parent


def build_page() -> None:
    """Builds the page, or says why not. Raises nothing: an engine without its page is complete but for that."""
    if not (HERE / "web").is_dir():
        return
    missing = [name for name in ("node", "npm", "make") if which(name) is None]
    if missing:
        sys.stderr.write(f"tocsin: the page is not built, as there is no {', '.join(missing)} here\n")
    elif subprocess.run(["make", "page"], cwd=HERE, check=False).returncode:  # noqa: S607
        sys.stderr.write("tocsin: the page could not be built, as said above\n")


class WithPage(build_py):
    """What a wheel is made of."""

    def run(self) -> None:
        """Packs the page too."""
        if not self.editable_mode:
            build_page()
        super().run()


class SourceWithPage(sdist):
    """What an archive of the source is made of: the page is in it as it is built, for machines without Node."""

    def run(self) -> None:
        """Packs the page too."""
        build_page()
        super().run()


setup(cmdclass={"build_py": WithPage, "sdist": SourceWithPage})
