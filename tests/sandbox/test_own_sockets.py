"""Sockets of a program of which a process hides what it has open."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.sandbox.conftest import NOBODY, drive

HIDES = r"""
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
int main(void) {
    struct sockaddr_in name = {AF_INET, 0, {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof name;
    int one = socket(AF_INET, SOCK_STREAM, 0), other = socket(AF_INET, SOCK_STREAM, 0), hidden[2], tried[2], status;
    char byte = 0;
    if (bind(one, (struct sockaddr *)&name, length) || getsockname(one, (struct sockaddr *)&name, &length)) return 2;
    if (pipe(hidden) || pipe(tried)) return 3;
    if (fork() == 0) {
        prctl(PR_SET_DUMPABLE, 0);
        if (write(hidden[1], &byte, 1) != 1 || read(tried[0], &byte, 1) != 1) return 4;
        prctl(PR_SET_DUMPABLE, 1);
        return listen(one, 1) ? errno : 0;
    }
    close(one);
    if (read(hidden[0], &byte, 1) != 1) return 5;
    printf("in use: %d\n", bind(other, (struct sockaddr *)&name, length) == -1 && errno == EADDRINUSE);
    if (write(tried[1], &byte, 1) != 1) return 6;
    wait(&status);
    printf("listen: %d\n", WEXITSTATUS(status));
    return 0;
}
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user, whom the kernel hides processes from")
def test_a_socket_is_kept_whose_process_hides_from_the_supervisor() -> None:
    with tempfile.TemporaryDirectory(prefix="x07-hides-") as folder:
        Path(folder).chmod(0o755)
        program = f"{folder}/hides"
        subprocess.run(["cc", "-x", "c", "-o", program, "-"], input=HIDES, text=True, check=True)
        outcome, text = drive(argv=[program], uid=NOBODY, namespaces=False, listen=True, read=[folder])
    assert (outcome.get("status"), text) == (0, "in use: 1\nlisten: 0\n"), outcome
