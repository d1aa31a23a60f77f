"""Runs a program that can make no socket but AF_UNIX: what systemd's RestrictAddressFamilies=AF_UNIX does.

    only_unix_sockets.py PROGRAM ARGUMENT…
"""

import ctypes
import errno
import os
import struct
import sys

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
LOAD, JUMP_EQUAL, RETURN = 0x20, 0x15, 0x06  # BPF_LD|BPF_W|BPF_ABS, BPF_JMP|BPF_JEQ|BPF_K, BPF_RET|BPF_K
ALLOW, FAIL = 0x7FFF0000, 0x00050000 | errno.EAFNOSUPPORT
SOCKET = {"x86_64": 41, "aarch64": 198}[os.uname().machine]
AF_UNIX = 1


def instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, value)


PROGRAM = b"".join(
    [
        instruction(LOAD, 0),  # the number of the call
        instruction(JUMP_EQUAL, SOCKET, 0, 3),
        instruction(LOAD, 16),  # its first argument, low half
        instruction(JUMP_EQUAL, AF_UNIX, 1, 0),
        instruction(RETURN, FAIL),
        instruction(RETURN, ALLOW),
    ]
)


class Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p)]


libc = ctypes.CDLL(None, use_errno=True)
for call in (
    (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
    (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(Filter(len(PROGRAM) // 8, PROGRAM))),
):
    if libc.prctl(*call) != 0:
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
os.execv(sys.argv[1], sys.argv[1:])
