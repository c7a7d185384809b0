"""Access to Prefect's server: its secret, the address this home keeps one at, and who may be told the secret.

The secret is made once and lies in the home, readable by its owner alone. A process of the same home gives it only to
the server whose keeper holds the lock beside it; any other server is given what the environment says, or nothing.
"""

from __future__ import annotations

import base64
import fcntl
import ipaddress
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gateway.domain.errors import ConfigurationError, GatewayError
from gateway.locale import tr

API_URL = "PREFECT_API_URL"
CLIENT_SECRET, SERVER_SECRET = "PREFECT_API_AUTH_STRING", "PREFECT_SERVER_API_AUTH_STRING"
SECRET_FILE, LOCK_FILE = "prefect.secret", "prefect.lock"
_PROBE_SECONDS = 5.0
_DEFAULTS = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_CLI_PROMPT": "false",
    "PREFECT_LOGGING_LEVEL": "WARNING",
    "PREFECT_LOGGING_SERVER_LEVEL": "ERROR",
    # A flow without a server would start one of its own, which asks nobody for a secret.
    "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",
    # How often a runner or worker asks for due runs, and how often a run gives a sign of life.
    "PREFECT_RUNNER_POLL_FREQUENCY": "5",
    "PREFECT_WORKER_QUERY_SECONDS": "5",
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
}


def prepare(home: Path) -> None:
    """Let Prefect, here and in what we start, tell nobody anything and keep its files in folders of ours."""
    home.mkdir(parents=True, exist_ok=True)
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    os.environ["PREFECT_HOME"] = str((home / "prefect").resolve())
    # Prefect's runners share one temporary folder, which belongs to the first user of the machine who runs one.
    temporary = (home / "tmp").resolve()
    temporary.mkdir(mode=0o700, exist_ok=True)
    os.environ["TMPDIR"] = str(temporary)
    tempfile.tempdir = None


def secret_of(home: Path) -> str:
    """The secret of the server that this home keeps: the environment's, else the home's, made where there is none."""
    given = os.environ.get(SERVER_SECRET) or os.environ.get(CLIENT_SECRET)
    if given:
        return given
    path = home / SECRET_FILE
    with suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"gateway:{secrets.token_urlsafe(32)}\n")
    return _read_secret(path)


def _read_secret(path: Path) -> str:
    if path.stat().st_mode & 0o077:
        raise ConfigurationError(
            tr("{path} can be read by other users: remove it, and the next start makes a new secret", path=path)
        )
    text = path.read_text(encoding="ascii", errors="replace").strip()
    if not text:
        raise ConfigurationError(tr("{path} is empty: remove it, and the next start makes a new secret", path=path))
    return text


def refuse_open_host(host: str) -> None:
    """Refuse an address that other machines reach, unless somebody has chosen the secret that they must know."""
    with suppress(ValueError):
        if ipaddress.ip_address(host).is_loopback:
            return
    if host == "localhost" or os.environ.get(SERVER_SECRET) or os.environ.get(CLIENT_SECRET):
        return
    raise ConfigurationError(
        tr(
            "--host {host} lets other machines reach Prefect, and who reaches it runs code here: set "
            "{server_secret} to a secret (the other machines: {client_secret}), or stay on 127.0.0.1 "
            "behind a proxy with TLS",
            host=host,
            server_secret=SERVER_SECRET,
            client_secret=CLIENT_SECRET,
        )
    )


@contextmanager
def kept(home: Path, url: str) -> Iterator[None]:
    """Say that the server at ``url`` is this home's, as long as this process lives; one at a time."""
    with (home / LOCK_FILE).open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise ConfigurationError(
                tr("this home keeps a Prefect server already, at {file}", file=file.read().strip())
            ) from None
        file.truncate(0)
        file.write(url)
        file.flush()
        yield


def kept_url(home: Path) -> str | None:
    """Address of the server that a living process keeps for this home."""
    with suppress(FileNotFoundError), (home / LOCK_FILE).open("r", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return file.read().strip() or None
    return None


def connect(home: Path, *, wait: bool = False) -> str:
    """Point this process at the server that the environment names, or at the one this home keeps; gives its address.

    wait: the server may be away for a while; otherwise one that does not answer is an error
    """
    own = kept_url(home)
    url = os.environ.get(API_URL) or own
    if url is None:
        raise ConfigurationError(
            tr("{api_url} is not set: the address of the Prefect server, ending in /api", api_url=API_URL)
        )
    prepare(home)
    if url == own:
        os.environ.setdefault(CLIENT_SECRET, secret_of(home))
    os.environ[API_URL] = url
    _probe(url, wait=wait)
    return url


def answers(home: Path) -> bool | None:
    """Whether the Prefect server that the environment names, or that this home keeps, is well; None without one."""
    import urllib.request  # it loads TLS, and this module is part of every command

    url = os.environ.get(API_URL) or kept_url(home)
    if url is None:
        # the file of a keeper that is gone stays behind
        return False if (home / LOCK_FILE).exists() else None
    try:
        urllib.request.urlopen(f"{url}/health", timeout=_PROBE_SECONDS).close()  # noqa: S310 - the setting's
    except (OSError, ValueError):
        return False
    return True


def _probe(url: str, *, wait: bool) -> None:
    """Ask something that needs the secret."""
    import urllib.error
    import urllib.request

    request = urllib.request.Request(f"{url}/admin/version", headers=authorization())  # noqa: S310 - the setting's
    try:
        urllib.request.urlopen(request, timeout=_PROBE_SECONDS).close()  # noqa: S310
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in (401, 403):
            raise ConfigurationError(
                tr(
                    "the Prefect server at {url} does not take the secret: set {client_secret} to what "
                    "stands in {secret_file} in the home of the machine that keeps it, or to its "
                    "{server_secret}",
                    url=url,
                    client_secret=CLIENT_SECRET,
                    secret_file=SECRET_FILE,
                    server_secret=SERVER_SECRET,
                )
            ) from None
    except (OSError, ValueError) as error:
        if not wait:
            reason = getattr(error, "reason", error)
            raise GatewayError(tr("no Prefect server answers at {url}: {reason}", url=url, reason=reason)) from None


def authorization() -> dict[str, str]:
    """The header for requests of ours; none where no secret is known."""
    secret = os.environ.get(CLIENT_SECRET)
    return {"Authorization": f"Basic {base64.b64encode(secret.encode()).decode()}"} if secret else {}
