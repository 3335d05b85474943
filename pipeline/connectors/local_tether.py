"""Runs a command that the kernel kills when its parent dies, even by `kill -9`.

`python local_tether.py PARENT COMMAND…` asks for SIGKILL at the death of its parent (prctl(2), PR_SET_PDEATHSIG; it outlives
exec) and becomes the command. "Parent" is the thread that started it: start engines from a thread that lives as long as they.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1

if __name__ == "__main__":
    parent, *command = sys.argv[1:]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent):  # it died before we asked
        sys.exit("the parent is gone")
    os.execvp(command[0], command)  # noqa: S606 - becoming the command is the purpose
