"""The image: built from the Dockerfile on a Debian base without any container service, and run as its own user."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(
        os.geteuid() != 0 or not all(map(shutil.which, ("buildah", "mmdebstrap"))),
        reason="needs root and the Debian packages buildah and mmdebstrap",
    ),
]
ROOT = Path(__file__).parents[1]
IMAGE = "integration-gateway"


class Buildah:
    """Buildah with a storage of its own, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.command = ["buildah", "--storage-driver", "vfs", "--root", folder / "storage", "--runroot", folder / "run"]

    def __call__(self, *arguments: str | Path, timeout: int = 900) -> str:
        done = subprocess.run(
            [*self.command, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=timeout, check=False
        )
        assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        return done.stdout.strip()

    def run(self, container: str, *command: str) -> list[str | Path]:
        """The command line that runs something in a container."""
        return [*self.command, "run", "--isolation", "chroot", container, "--", *command]


def apt_options(folder: Path) -> list[str]:
    """This machine's own sources and options, so that the base comes from where its packages come from."""
    dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True).stdout
    wanted = [line for line in dump.splitlines() if line.startswith(("Acquire::", "APT::Get"))]
    (folder / "apt.conf").write_text("\n".join(wanted) + "\n", encoding="utf-8")
    return [f"--aptopt={folder / 'apt.conf'}"]


def pip_settings(folder: Path) -> list[str]:
    """This machine's own settings of pip, and the folders and certificates they name, for the build alone."""
    listed = subprocess.run(["pip", "config", "list"], capture_output=True, text=True, check=True).stdout
    settings = {
        key.rpartition(".")[2]: value.strip("'\"") for key, _, value in (x.partition("=") for x in listed.splitlines())
    }
    settings.pop("constraint", None)
    text = "\n".join(f"{key} = {value}" for key, value in settings.items() if "." not in key)
    (folder / "pip.conf").write_text(f"[global]\n{text}\n", encoding="utf-8")
    shown = [f"{folder / 'pip.conf'}:/etc/pip.conf:ro", "/etc/ssl/certs:/etc/ssl/certs:ro"]
    words = " ".join(settings.values()).split()
    # the files of an index in a folder lie beside it
    folders = {Path(word.removeprefix("file://")).parent for word in words if word.startswith("file:///")}
    folders |= {Path(word) for word in words if word.startswith("/")}
    shown += [f"{place}:{place}:ro" for place in sorted(folders) if place.is_dir()]
    return [option for place in shown for option in ("--volume", place)]


@pytest.fixture(scope="module")
def buildah() -> Iterator[Buildah]:
    with tempfile.TemporaryDirectory(prefix="image-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        release = subprocess.run(
            ["sh", "-c", ". /etc/os-release && echo $VERSION_CODENAME"], capture_output=True, text=True, check=True
        )
        sources = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*.sources"))]
        base = folder / "base.tar"
        subprocess.run(
            [
                "mmdebstrap",
                "--quiet",
                "--variant=apt",
                "--include=python3,python3-venv,ca-certificates",
                *apt_options(folder),
                release.stdout.strip(),
                base,
                *(source for source in sources if source.is_file()),
            ],
            check=True,
            timeout=600,
        )
        buildah = Buildah(folder)
        container = buildah("from", "scratch")
        buildah("add", container, base, "/")
        buildah("commit", "--quiet", container, "debian-python")
        buildah("rm", container)
        base.unlink()
        buildah(
            "bud",
            *("--isolation", "chroot", "--pull-never", "--build-arg", "BASE=localhost/debian-python"),
            *pip_settings(folder),
            *("--file", "ops/Dockerfile", "--format", "docker", "--tag", IMAGE, "."),
        )
        yield buildah
        buildah("rm", "--all")


@pytest.fixture
def container(buildah: Buildah) -> Iterator[str]:
    name = buildah("from", "--pull-never", f"localhost/{IMAGE}")
    yield name
    buildah("rm", name)


def execute(buildah: Buildah, container: str, *command: str, code: int = 0) -> str:
    done = subprocess.run(buildah.run(container, *command), capture_output=True, text=True, timeout=600, check=False)
    assert "Traceback" not in done.stderr + done.stdout
    assert done.returncode == code, done.stderr[-4000:]
    return done.stdout


def test_it_runs_as_its_own_user_who_cannot_change_it(buildah: Buildah, container: str) -> None:
    assert execute(buildah, container, "id", "-u").strip() == "10001"
    execute(buildah, container, "sh", "-c", "! touch /opt/gateway/x 2> /dev/null")
    execute(
        buildah,
        container,
        "sh",
        "-c",
        "! command -v pip && ! ls -d /opt/gateway/lib/python3*/site-packages/pytest 2> /dev/null",
    )


def test_the_store_is_made_and_the_demo_adds_up(buildah: Buildah, container: str) -> None:
    execute(buildah, container, "gateway", "init")
    assert json.loads(execute(buildah, container, "gateway", "status", "--json"))["platforms"]
    demo = execute(buildah, container, "gateway", "demo", "--json")
    assert json.loads(demo)["adds_up"]


def test_it_serves_schedules(buildah: Buildah, container: str) -> None:
    execute(buildah, container, "gateway", "init")
    asked = "import urllib.request; urllib.request.urlopen('http://127.0.0.1:14200/api/health')"
    serving = subprocess.Popen(
        buildah.run(container, "gateway", "serve", "--port", "14200"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        ends = time.monotonic() + 180
        assert serving.stdout is not None
        lines = []
        for line in serving.stdout:
            lines.append(line)
            if "Prefect: http" in line or time.monotonic() > ends:
                break
        assert any("Prefect: http" in line for line in lines), lines
        execute(buildah, container, "python", "-c", asked)
    finally:
        serving.terminate()
        serving.wait(60)


def test_a_volume_that_cannot_be_written_is_one_line(buildah: Buildah, container: str) -> None:
    execute(buildah, container, "sh", "-c", "chmod 0500 /var/lib/gateway/home")
    execute(buildah, container, "gateway", "init", code=1)
