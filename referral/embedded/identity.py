"""As whom PostgreSQL runs: it refuses uid 0, and containers often have nobody else."""

from __future__ import annotations

import ctypes
import os
import pwd
import subprocess
import sys
from enum import StrEnum
from pathlib import Path

from referral.embedded.errors import EngineError

_CLONE_NEWUSER = 0x10000000
_libc = ctypes.CDLL(None, use_errno=True)


class Identity(StrEnum):
    """Chosen once per data directory: a cluster made in one way cannot be opened in another."""

    PLAIN = "plain"  # the user we are, who is not root
    USERNS = "userns"  # root, seen as `nobody` in a user namespace; files stay root's and nothing is chmodded
    NOBODY = "nobody"  # root changing to `nobody`, where user namespaces are refused (chroot, default Docker)

    def enter(self) -> None:
        """Become it. For a new child process before it executes the server."""
        if self is Identity.USERNS:
            _enter_user_namespace()
        elif self is Identity.NOBODY:
            user = nobody()
            os.setgroups([])
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)


def nobody() -> pwd.struct_passwd:
    """Return the account that PostgreSQL runs under when we are root."""
    try:
        return pwd.getpwnam("nobody")
    except KeyError:
        raise EngineError("PostgreSQL refuses to run as root and there is no user `nobody`") from None


def choose_identity(remembered: Identity | None, wanted: Identity | None = None) -> Identity:
    """Return how to run here. The choice made for the data directory before must still be possible."""
    if os.geteuid() != 0:
        if remembered not in (None, Identity.PLAIN):
            raise EngineError(
                "the data directory was made by root; run as root or choose another REFERRAL_DATA_DIR"
            )
        return Identity.PLAIN
    if remembered is Identity.PLAIN:
        raise EngineError("the data directory was made by an ordinary user; run as that user, not as root")
    if remembered is Identity.USERNS and not _user_namespaces_work():
        raise EngineError(
            "the data directory was made where user namespaces are allowed, and here they are not; "
            "allow them or choose another REFERRAL_DATA_DIR"
        )
    return remembered or wanted or (Identity.USERNS if _user_namespaces_work() else Identity.NOBODY)


def check_reachable(directory: Path) -> None:
    """Refuse a data directory below one that `nobody` may not pass, such as /root."""
    for parent in directory.parents:
        if not parent.stat().st_mode & 0o001:
            raise EngineError(
                f"PostgreSQL has to run as `nobody` here, who may not enter {parent}; "
                "set REFERRAL_DATA_DIR to a place such as /var/lib/referral"
            )


def _enter_user_namespace() -> None:
    user = nobody()
    if _libc.unshare(_CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user.pw_uid} 0 1")
    Path("/proc/self/gid_map").write_text(f"{user.pw_gid} 0 1")


def _user_namespaces_work() -> bool:
    if sys.platform != "linux":
        return False
    try:
        probe = subprocess.run(
            ["/bin/sh", "-c", "test $(id -u) -ne 0"],
            preexec_fn=Identity.USERNS.enter,  # from the main thread only
            stderr=subprocess.DEVNULL,
            check=False,
        )
    except subprocess.SubprocessError:  # raised in the child before it executed anything
        return False
    return probe.returncode == 0
