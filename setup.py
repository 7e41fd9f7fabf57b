"""Builds the page into the package where Node is found; all else about the package is in pyproject.toml.

Asked of `make`, which knows what the page is made of and does nothing when nothing has changed. What is installed in
place (`pip install --editable`) is left alone: there `make page` is said by whoever wants it. Without Node, with one
that is too old, or from an archive that has no `web/`, what is there is packed; if that is no page, the engine runs all
the same and says so at its address. A build that fails fails the package too: what should have a page and has none is
never published by accident. TOCSIN_WITHOUT_PAGE=1 leaves the page out on purpose.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from shutil import which

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

HERE = Path(__file__).parent


# As web/package.json says.
NODE_LEAST = (20, 19)


def build_page() -> None:
    """Builds the page, or says why it is not tried. Raises SystemExit when it fails."""
    if not (HERE / "web").is_dir():
        return
    if obstacle := what_is_missing():
        sys.stderr.write(f"tocsin: the page is not built, as {obstacle}\n")
    elif subprocess.run(["make", "page"], cwd=HERE, check=False).returncode:  # noqa: S607
        raise SystemExit(
            "tocsin: the page could not be built, as said above; mend that, or say TOCSIN_WITHOUT_PAGE=1 for a package "
            "without its page"
        )


def what_is_missing() -> str:
    """Why the page cannot be built here, in words; empty: nothing is missing."""
    if os.environ.get("TOCSIN_WITHOUT_PAGE", "0") not in ("", "0"):
        return "TOCSIN_WITHOUT_PAGE is set"
    if missing := [name for name in ("node", "npm", "make") if which(name) is None]:
        return f"there is no {', '.join(missing)} here"
    asked = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False)  # noqa: S607
    found = re.match(r"v(\d+)\.(\d+)", asked.stdout)
    if found and (int(found[1]), int(found[2])) < NODE_LEAST:
        return f"node is {asked.stdout.strip()}, and it needs {'.'.join(map(str, NODE_LEAST))} or newer"
    return ""


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
