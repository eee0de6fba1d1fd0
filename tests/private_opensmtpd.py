"""An OpenSMTPD of our own on loopback, for the tests that want a real one.

Its paths and users are built into it (those of Debian's package below), and its package and
Postfix's exclude each other. So it runs in a directory that it takes for the whole system, and
nothing of the machine's own is touched. That system has a /dev/log too, at which we listen.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from private_postfix import HOST, TIMEOUT, free_port, wait_for_port

if TYPE_CHECKING:
    from collections.abc import Iterator

# Without privileges, and the owner of the queue.
USERS = {"opensmtpd": 998, "opensmtpq": 997}
DIRECTORIES = ("dev", "etc", "tmp", "usr/libexec/opensmtpd", "var/lib/opensmtpd/empty", "var/run")
QUEUE = "var/spool/smtpd"
# The moment, and what stands behind it; syslog(3) leaves the host to the daemon.
DATAGRAM = re.compile(rb"(<[0-9]{1,3}>.{15} )(.*)", re.DOTALL)


def build(root: Path, smtpd: Path, settings: str) -> None:
    """Lay out the system: the programs, their libraries, users, settings."""
    for name in (*DIRECTORIES, QUEUE):
        (root / name).mkdir(parents=True, mode=0o755)
    (root / QUEUE).chmod(0o711)
    linked = subprocess.run(
        ["ldd", smtpd], capture_output=True, text=True, timeout=TIMEOUT, check=True
    )
    assert "not found" not in linked.stdout, linked.stdout
    libraries = re.findall(r"(/\S+) \(0x", linked.stdout)
    for source, name in (
        (smtpd, "usr/sbin/smtpd"),
        (smtpd.with_name("smtpctl"), "usr/sbin/smtpctl"),
        *((library, library[1:]) for library in libraries),
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, root / name)
    os.chown(root / "usr/sbin/smtpctl", 0, USERS["opensmtpq"])
    (root / "usr/sbin/smtpctl").chmod(0o2555)
    users = "".join(f"{name}:x:{number}:{number}::/:\n" for name, number in USERS.items())
    groups = "".join(f"{name}:x:{number}:\n" for name, number in USERS.items())
    (root / "etc/passwd").write_text(f"root:x:0:0::/:\n{users}")
    (root / "etc/group").write_text(f"root:x:0:\n{groups}")
    (root / "etc/hosts").write_text(f"{HOST} localhost\n")
    (root / "etc/smtpd.conf").write_text(settings)
    (root / "dev/null").touch()


@contextlib.contextmanager
def listening(path: Path) -> Iterator[list[bytes]]:
    """What is logged at this socket, as a syslog daemon writes it down; it grows."""
    lines: list[bytes] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.bind(str(path))
        path.chmod(0o666)

        def listen() -> None:
            while datagram := log.recv(1 << 16):
                lines.append(DATAGRAM.sub(rb"\1mx \2", datagram))

        # All the time: a log that nobody reads holds up the one who writes it.
        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        try:
            yield lines
        finally:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
                end.sendto(b"", str(path))
            thread.join(TIMEOUT)


@contextlib.contextmanager
def private_opensmtpd(settings: str) -> Iterator[tuple[int, list[bytes]]]:
    """The port of an OpenSMTPD with these settings behind `listen on`, and the lines of its log,
    which grow. Skips where there can be none.
    """
    found = os.environ.get("SMTPFAST_OPENSMTPD")
    if not found:
        pytest.skip("SMTPFAST_OPENSMTPD does not say where an OpenSMTPD is")
    if os.geteuid() != 0:
        pytest.skip("OpenSMTPD is not ours to start: that takes root")
    with tempfile.TemporaryDirectory(prefix="opensmtpd-") as directory:
        root = Path(directory)
        root.chmod(0o755)
        port = free_port()
        build(root, Path(found), f"listen on {HOST} port {port} hostname mx.local.test\n{settings}")
        with listening(root / "dev/log") as lines:
            smtpd = subprocess.Popen(
                ["chroot", root, "/usr/sbin/smtpd", "-F", "-f", "/etc/smtpd.conf"],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
            try:
                wait_for_port(port)
                yield port, lines
            finally:
                smtpd.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    smtpd.wait(TIMEOUT)
                # What it has started ends with it, and at the latest now.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(smtpd.pid, signal.SIGKILL)
                smtpd.wait(TIMEOUT)
