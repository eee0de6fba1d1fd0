"""A Postfix of our own on loopback, for the tests that want a real one."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST = "127.0.0.1"
TIMEOUT = 20.0

# No chroot, no port but ours.
SERVICES = """
{listen}  inet       n - n -     -  smtpd
postlog   unix-dgram n - n -     1  postlogd
pickup    unix       n - n 60    1  pickup
cleanup   unix       n - n -     0  cleanup
qmgr      unix       n - n 300   1  qmgr
tlsmgr    unix       - - n 1000? 1  tlsmgr
rewrite   unix       - - n -     -  trivial-rewrite
bounce    unix       - - n -     0  bounce
defer     unix       - - n -     0  bounce
trace     unix       - - n -     0  bounce
proxymap  unix       - - n -     -  proxymap
error     unix       - - n -     -  error
retry     unix       - - n -     -  error
discard   unix       - - n -     -  discard
anvil     unix       - - n -     1  anvil
"""
SETTINGS = """
compatibility_level = 2
queue_directory = {root}/queue
data_directory = {root}/data
maillog_file = {root}/maillog
maillog_file_prefixes = {root}
inet_interfaces = loopback-only
inet_protocols = ipv4
smtp_dns_support_level = disabled
smtpd_peername_lookup = no
alias_maps =
alias_database =
local_recipient_maps =
notify_classes =
"""


def run(*command: str) -> subprocess.CompletedProcess[str]:
    # Its daemons keep what they inherit; a pipe would never end.
    with tempfile.TemporaryFile("w+") as output:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            timeout=60,
            check=False,
        )
        output.seek(0)
        done.stdout = output.read()
    return done


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        port: int = listener.getsockname()[1]
    return port


def wait_for_port(port: int) -> None:
    deadline = time.monotonic() + TIMEOUT
    while True:
        try:
            socket.create_connection((HOST, port), timeout=TIMEOUT).close()
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def stop(command: str, root: Path) -> None:
    """Stop the instance by its own means, and what is left by its process id."""
    pid_file = root / "queue" / "pid" / "master.pid"
    master = int(pid_file.read_text()) if pid_file.exists() else None
    stopped = run(command, "-c", str(root / "etc"), "stop")
    if stopped.returncode != 0 and master is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(master, signal.SIGTERM)


@contextlib.contextmanager
def private_postfix(
    settings: str, services: str = "", files: tuple[Path, ...] = ()
) -> Iterator[tuple[int, Path]]:
    """The port and the directory of a Postfix with these settings and services beside the usual
    ones; `{root}` in them is the directory. Skips where there can be none, unless one is required.
    """
    command = shutil.which("postfix", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    may_start = command is not None and hasattr(os, "geteuid") and os.geteuid() == 0
    if not may_start:
        reason = "Postfix is not installed, or not ours to start: that takes root"
        if os.environ.get("SMTPFAST_REQUIRE_POSTFIX") == "1":
            pytest.fail(f"SMTPFAST_REQUIRE_POSTFIX=1: {reason}")
        pytest.skip(reason)
    # Not pytest's own directory, which Postfix's user could not enter.
    with tempfile.TemporaryDirectory(prefix="postfix-", ignore_cleanup_errors=True) as directory:
        root = Path(directory)
        for path in (root, root / "etc", root / "queue", root / "data"):
            path.mkdir(exist_ok=True)
            path.chmod(0o755)
        shutil.chown(root / "data", "postfix")
        for file in files:
            shutil.copy(file, root / "etc")
        port = free_port()
        listen = f"{HOST}:{port}"
        (root / "etc" / "main.cf").write_text((SETTINGS + settings).format(root=root))
        (root / "etc" / "master.cf").write_text((SERVICES + services).format(listen=listen))
        try:
            started = run(command, "-c", str(root / "etc"), "start")
            assert started.returncode == 0, started.stdout
            wait_for_port(port)
            yield port, root
        finally:
            stop(command, root)
