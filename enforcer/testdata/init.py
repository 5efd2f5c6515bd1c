"""What a program sees of the first process that lpm puts before it, one
function each. TestInit says what they have to print.
"""

import ctypes
import errno
import os
import resource
import signal
import sys
import time

libc = ctypes.CDLL(None, use_errno=True)
PTRACE_ATTACH, PTRACE_DETACH = 16, 17
SYS_PIDFD_OPEN, SYS_PIDFD_GETFD, SYS_KCMP = 434, 438, 312


def status(pid):
    with open("/proc/%d/status" % pid) as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def pids():
    return sorted(int(p) for p in os.listdir("/proc") if p.isdigit())


def family():
    """Prints who is who."""
    print(os.getpid(), os.getppid(), os.getsid(0) == os.getpid(), pids(), status(1)["Name"] == "lpm-init")


def orphans():
    """Leaves ended processes to the first one and prints whether they go."""
    for _ in range(20):
        child = os.fork()
        if child == 0:
            if os.fork() == 0:
                os._exit(0)
            os._exit(0)
        os.waitpid(child, 0)
    for _ in range(500):
        left = [p for p in pids() if p not in (1, os.getpid())]
        if not left:
            break
        time.sleep(0.01)
    print("left behind" if left else "collected")


def kept():
    """Ends before a process that it has started."""
    if os.fork() == 0:
        time.sleep(60)
    print("ended", flush=True)
    os._exit(3)


def grandchild():
    """Ends after an orphan, whose status is not the program's."""
    if os.fork() == 0:
        if os.fork() == 0:
            os._exit(9)
        os._exit(8)
    os.wait()
    time.sleep(0.2)
    os._exit(5)


def killed():
    """Is ended by a signal."""
    os.kill(os.getpid(), int(sys.argv[2]))


def handles():
    """Prints each signal that reaches it, up to the last of its arguments."""
    wanted = [int(n) for n in sys.argv[2:]]
    got = []
    for n in wanted:
        signal.signal(n, lambda number, _: got.append(number))
    print("ready", flush=True)
    while True:
        time.sleep(0.01)
        while got:
            n = got.pop(0)
            print("got", n, flush=True)
            if n == wanted[-1]:
                return


def waits():
    """Waits, and handles nothing."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    print("ready", flush=True)
    while True:
        time.sleep(1)


def passed():
    """Sends signals to the first process, which passes them on to this one."""
    got = []
    for n in (signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP, signal.SIGRTMIN):
        signal.signal(n, lambda number, _: got.append(number))
        before = len(got)
        os.kill(1, n)
        for _ in range(500):
            if len(got) > before:
                break
            time.sleep(0.01)
    # These it can neither be stopped nor ended by.
    for n in (signal.SIGSTOP, signal.SIGKILL, signal.SIGCHLD):
        os.kill(1, n)
    print([signal.Signals(n).name for n in got])


def forks():
    """Prints how many processes there can be beside this one."""
    children = []
    try:
        for _ in range(100):
            child = os.fork()
            if child == 0:
                time.sleep(60)
            children.append(child)
    except OSError as e:
        print(len(children), errno.errorcode[e.errno])
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def terminal():
    """Prints whether its terminal is that of its session, and it in front."""
    print(os.isatty(0), os.getsid(0) == os.getpid(), os.tcgetpgrp(0) == os.getpgrp())


def listing(name):
    def do(pid):
        if not os.listdir("/proc/%d/%s" % (pid, name)):
            raise OSError(errno.ENOENT, "nothing there")
    return do


def attempt(name, pid, do):
    try:
        result = do(pid)
    except OSError as e:
        return "%s %s" % (name, errno.errorcode[e.errno])
    if isinstance(result, int) and result < 0:
        return "%s %s" % (name, errno.errorcode[ctypes.get_errno()])
    return "%s got through" % name


def reads(name):
    def do(pid):
        with open("/proc/%d/%s" % (pid, name), "rb") as f:
            f.read(64)
    return do


def writes(name):
    def do(pid):
        with open("/proc/%d/%s" % (pid, name), "wb"):
            pass
    return do


def attach(pid):
    result = libc.ptrace(PTRACE_ATTACH, pid, None, None)
    if result == 0:
        os.waitpid(pid, 0)
        libc.ptrace(PTRACE_DETACH, pid, None, None)
    return result


class Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]


def memory(pid):
    here = ctypes.create_string_buffer(8)
    local = Iovec(ctypes.addressof(here), 8)
    # The same address is mapped in a process that this one has forked.
    remote = Iovec(ctypes.addressof(here), 8)
    return libc.process_vm_readv(pid, ctypes.byref(local), 1, ctypes.byref(remote), 1, 0)


def descriptor(pid):
    pidfd = libc.syscall(SYS_PIDFD_OPEN, pid, 0)
    return libc.syscall(SYS_PIDFD_GETFD, pidfd, 0, 0)


def takeover():
    """Tries to get at a process: the first one, or one of its own."""
    pid = 1
    if sys.argv[2] == "own":
        pid = os.fork()
        if pid == 0:
            time.sleep(60)
    attempts = {
        "attach": attach, "memory": memory, "descriptor": descriptor,
        "kcmp": lambda pid: libc.syscall(SYS_KCMP, os.getpid(), pid, 2, 0, 0),
        "environ": reads("environ"), "maps": reads("maps"), "auxv": reads("auxv"), "mem": writes("mem"),
        "exe": lambda pid: os.readlink("/proc/%d/exe" % pid) and None,
        "root": listing("root"), "cwd": listing("cwd"), "fd": listing("fd"),
        "ns": lambda pid: os.readlink("/proc/%d/ns/mnt" % pid) and None,
    }
    for name, do in attempts.items():
        print(attempt(name, pid, do))
    if pid != 1:
        os.kill(pid, signal.SIGKILL)


def seen():
    """Prints what the first process shows of itself."""
    s = status(1)
    with open("/proc/1/cmdline", "rb") as f:
        print(f.read().strip(b"\0"))
    for name in "CapPrm", "CapEff", "CapAmb", "NoNewPrivs", "Seccomp", "Seccomp_filters":
        print(name, int(s[name], 16))
    print(s["Uid"] == status(os.getpid())["Uid"], s["Groups"] == status(os.getpid())["Groups"])


globals()[sys.argv[1]]()
