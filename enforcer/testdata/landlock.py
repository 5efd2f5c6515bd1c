"""What Landlock refuses, and what it must not.

The functions before "everyday" are attempts: each prints SUCCEEDED, or the
name of the error that it met. Those after it are things that ordinary programs
do; "everyday" does all of them and prints those that failed. Which manifest
applies is said by landlock_test.go.
"""

import array
import contextlib
import ctypes
import errno
import fcntl
import mmap
import os
import signal
import socket
import stat
import struct
import subprocess
import sys
import termios
import threading

libc = ctypes.CDLL(None, use_errno=True)
AT_FDCWD, AT_EMPTY_PATH, AT_SYMLINK_FOLLOW = -100, 0x1000, 0x400
O_PATH = 0o10000000


def call(function, *args):
    if function(*args) == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


# Changing what is in a folder. /host has the file "file", the folders "empty",
# "from" (with the file "file") and "to", the FIFO "fifo".


def write_file():
    os.close(os.open("/host/file", os.O_RDWR))


def append_file():
    os.close(os.open("/host/file", os.O_WRONLY | os.O_APPEND))


def reopened_file():
    """Opens a file for writing that it has been given for reading."""
    fd = os.open("/host/file", os.O_RDONLY)
    os.close(os.open(f"/proc/self/fd/{fd}", os.O_RDWR))


def reopened_path():
    """Opens a file for writing that it has a mere path of."""
    fd = os.open("/host/file", O_PATH)
    os.close(os.open(f"/proc/self/fd/{fd}", os.O_RDWR))


def other_root():
    """Takes another way to the same file."""
    os.close(os.open("/proc/self/root/host/file", os.O_RDWR))


def truncate():
    os.truncate("/host/file", 0)


def truncate_on_open():
    """Truncates a file without ever opening it for writing."""
    os.close(os.open("/host/file", os.O_RDONLY | os.O_TRUNC))


def unnamed_file():
    os.close(os.open("/host", os.O_TMPFILE | os.O_RDWR))


def make_reg():
    os.close(os.open("/host/new", os.O_CREAT | os.O_RDONLY))


def make_node():
    os.mknod("/host/new", stat.S_IFREG | 0o644)


def make_dir():
    os.mkdir("/host/new")


def make_sym():
    os.symlink("file", "/host/new")


def make_fifo():
    os.mkfifo("/host/new")


def make_sock():
    socket.socket(socket.AF_UNIX).bind("/host/new")


def make_char():
    """Makes the one device that the kernel lets everyone make."""
    os.mknod("/host/new", stat.S_IFCHR, 0)


def remove_file():
    os.unlink("/host/file")


def remove_dir():
    os.rmdir("/host/empty")


def rename():
    os.rename("/host/file", "/host/renamed")


def refer():
    os.rename("/host/from/file", "/host/to/file")


def exchange():
    RENAME_EXCHANGE = 2
    call(libc.renameat2, AT_FDCWD, b"/host/from", AT_FDCWD, b"/host/to", RENAME_EXCHANGE)


def link():
    os.link("/host/from/file", "/host/to/link")


def link_open_file():
    """Gives an open file another name."""
    fd = os.open("/host/file", os.O_RDONLY)
    call(libc.linkat, AT_FDCWD, f"/proc/self/fd/{fd}".encode(), AT_FDCWD, b"/host/link", AT_SYMLINK_FOLLOW)


def from_within():
    """Enters the folder first, and names no path of it."""
    os.chdir("/host")
    os.close(os.open("file", os.O_RDWR))


def write_fifo():
    os.close(os.open("/host/fifo", os.O_RDWR))


def remount():
    """Takes the read-only flag off a mount, which asks no security module."""
    MOUNT_ATTR_RDONLY = 1
    attr = struct.pack("QQQQ", 0, MOUNT_ATTR_RDONLY, 0, 0)
    call(libc.syscall, ctypes.c_long(442), AT_FDCWD, b"/host", 0, attr, len(attr))
    os.close(os.open("/host/file", os.O_RDWR))


def detached():
    """Copies the mount, and takes the flag off where it is attached to nothing."""
    OPEN_TREE_CLONE, MOUNT_ATTR_RDONLY = 1, 1
    fd = libc.syscall(ctypes.c_long(428), AT_FDCWD, b"/host", OPEN_TREE_CLONE)
    if fd == -1:
        raise OSError(ctypes.get_errno(), "open_tree")
    attr = struct.pack("QQQQ", 0, MOUNT_ATTR_RDONLY, 0, 0)
    call(libc.syscall, ctypes.c_long(442), fd, b"", AT_EMPTY_PATH, attr, len(attr))
    os.close(os.open("file", os.O_RDWR, dir_fd=fd))


def remount_in_namespace():
    """Does so in namespaces of its own, where it has every capability."""
    CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000
    call(libc.unshare, CLONE_NEWUSER | CLONE_NEWNS)
    remount()


def bind_over():
    """Mounts the folder where it may write."""
    MS_BIND = 4096
    os.mkdir("/tmp/over")
    call(libc.mount, b"/host", b"/tmp/over", None, MS_BIND, None)


# Devices. A process of the host hands out descriptors at the socket
# /host/hands.


def handed():
    s = socket.socket(socket.AF_UNIX)
    s.connect("/host/hands")
    fds = array.array("i", [0])
    _, data, _, _ = s.recvmsg(1, socket.CMSG_SPACE(fds.itemsize))
    fds.frombytes(data[0][2][: fds.itemsize])
    return fds[-1]


def ioctl_dev():
    """Asks something of a terminal that it was handed, opened anew."""
    fd = os.open(f"/proc/self/fd/{handed()}", os.O_RDONLY | os.O_NOCTTY)
    fcntl.ioctl(fd, termios.TIOCGWINSZ, bytes(8))


def write_dev():
    """Writes to a terminal that it was handed, opened anew."""
    os.write(os.open(f"/proc/self/fd/{handed()}", os.O_WRONLY | os.O_NOCTTY), b"x")


# Scopes. The first argument names the socket or the process.


def abstract_stream():
    socket.socket(socket.AF_UNIX).connect("\0" + sys.argv[2])


def abstract_datagram():
    """Sends to an abstract socket without connecting to it."""
    socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"x", "\0" + sys.argv[2])


def signal_outside():
    os.kill(int(sys.argv[2]), 0)


def signal_by_owner():
    """Has the kernel send a signal when there is something to read."""
    a, b = socket.socketpair()
    fcntl.fcntl(a, fcntl.F_SETOWN, int(sys.argv[2]))
    fcntl.fcntl(a, 10, signal.SIGUSR1)  # F_SETSIG
    fcntl.fcntl(a, fcntl.F_SETFL, os.O_ASYNC)
    b.send(b"x")


# Ports of the host's network, by the number in the first argument.


def connect_mapped():
    """Connects by an IPv6 socket to an IPv4 address."""
    socket.socket(socket.AF_INET6).connect(("::ffff:127.0.0.1", int(sys.argv[2])))


def bind_unspecified():
    """Binds with an address of no family, which the kernel takes for IPv4."""
    s = socket.socket()
    address = struct.pack("=HH12x", socket.AF_UNSPEC, socket.htons(int(sys.argv[2])))
    call(libc.bind, s.fileno(), address, len(address))


def connect_reused():
    """Connects, disconnects, and connects the same socket elsewhere."""
    s = socket.socket()
    with contextlib.suppress(OSError):
        s.connect(("127.0.0.1", int(sys.argv[3])))
    address = struct.pack("=HH12x", socket.AF_UNSPEC, 0)
    call(libc.connect, s.fileno(), address, len(address))
    s.connect(("127.0.0.1", int(sys.argv[2])))


# What must go on working. /tmp is an empty writable folder, /app one with the
# image's content, /data a volume and /host a folder of the host, both to write.


def null_device():
    shell("echo gone > /dev/null; echo gone >> /dev/null; : > /dev/null; cat < /dev/null; echo error >&2 2> /dev/null")
    with open("/dev/null", "r+b", buffering=0) as f:
        assert f.write(b"x") == 1 and f.read() == b""
        # As without Landlock, and not EACCES.
        with contextlib.suppress(termios.error):
            termios.tcgetattr(f.fileno())
            raise AssertionError("/dev/null is a terminal")
        try:
            fcntl.ioctl(f, termios.TIOCGWINSZ, bytes(8))
        except OSError as e:
            assert e.errno == errno.ENOTTY, e
    for path in "/dev/zero", "/dev/random", "/dev/urandom":
        with open(path, "r+b", buffering=0) as f:
            assert len(f.read(8)) == 8
            f.write(b"x")


def standard_streams():
    shell("echo line > /dev/stdout; echo line > /dev/stderr; echo line >> /proc/self/fd/1; cat < /dev/stdin")


def descriptor_paths():
    shell("echo text > /tmp/fd; exec 7< /tmp/fd; cat /dev/fd/7 > /dev/null; exec 8> /tmp/fd; echo more > /dev/fd/8")
    shell("echo piped | cat /dev/fd/0 > /dev/null; cat /proc/self/fd/0 < /tmp/fd > /dev/null")


def fifos():
    for folder in folders():
        path = folder + "/fifo"
        os.mkfifo(path)
        writer = threading.Thread(target=lambda: open(path, "w").write("through"))
        writer.start()
        with open(path) as f:
            assert f.read() == "through"
        writer.join()
        os.unlink(path)


def unix_sockets():
    for folder in folders():
        path = folder + "/socket"
        with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
            server.bind(path)
            server.listen()
            client.connect(path)
        os.unlink(path)
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind("\0inside")
        server.listen()
        client.connect("\0inside")


def renames():
    for folder in folders():
        for name in "from", "to":
            os.mkdir(f"{folder}/{name}")
        write(f"{folder}/from/file")
        os.rename(f"{folder}/from/file", f"{folder}/from/other")
        os.rename(f"{folder}/from/other", f"{folder}/to/file")
        os.link(f"{folder}/to/file", f"{folder}/from/link")
        os.rename(f"{folder}/to", f"{folder}/from/to")
        os.symlink("nowhere", f"{folder}/from/symlink")
        for name in "from/to/file", "from/link", "from/symlink":
            os.unlink(f"{folder}/{name}")
        os.rmdir(f"{folder}/from/to")
        os.rmdir(f"{folder}/from")
    shell("echo text > /tmp/moved && mv /tmp/moved /data/moved && mv /data/moved /app/moved && rm /app/moved")


def rename_of_the_image():
    """Moves what the image brought to another folder."""
    os.mkdir("/app/kept")
    os.rename("/app/notes.py", "/app/kept/notes.py")
    os.rename("/app/kept/notes.py", "/app/notes.py")


def truncation():
    for folder in folders():
        path = folder + "/long"
        write(path)
        os.truncate(path, 2)
        fd = os.open(path, os.O_RDWR | os.O_TRUNC)
        os.ftruncate(fd, 4096)
        os.posix_fallocate(fd, 0, 8192)
        with mmap.mmap(fd, 4096) as m:
            m[0] = 65
        os.close(fd)
        assert os.stat(path).st_size == 8192
        os.unlink(path)


def unnamed_files():
    for folder in "/tmp", "/data", "/host", "/dev/shm":
        fd = os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o600)
        os.write(fd, b"text")
        call(libc.linkat, AT_FDCWD, f"/proc/self/fd/{fd}".encode(), AT_FDCWD, f"{folder}/named".encode(), AT_SYMLINK_FOLLOW)
        os.unlink(folder + "/named")
        os.close(os.open(f"/proc/self/fd/{fd}", os.O_RDWR | os.O_TRUNC))


def anonymous_memory():
    MFD_NOEXEC_SEAL = 8
    try:
        fd = os.memfd_create("memory", MFD_NOEXEC_SEAL)
    except OSError as e:
        if e.errno == errno.EINVAL:
            return  # Linux has the flag since 6.3
        raise
    os.write(fd, b"text")
    os.ftruncate(fd, 2)
    os.close(os.open(f"/proc/self/fd/{fd}", os.O_RDWR | os.O_TRUNC))


def own_process():
    """Writes what processes write of themselves."""
    shell("echo 500 > /proc/self/oom_score_adj; echo 0x33 > /proc/self/coredump_filter")
    named = threading.Thread(target=lambda: write(f"/proc/self/task/{threading.get_native_id()}/comm"))
    named.start()
    named.join()


def own_signals():
    child = subprocess.Popen(["/usr/bin/dash", "-c", "read line"], stdin=subprocess.PIPE)
    child.send_signal(signal.SIGTERM)
    assert child.wait() == -signal.SIGTERM


def own_ports():
    """Talks to itself by any port."""
    for family, address in (socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"):
        with socket.socket(family) as server, socket.socket(family) as client:
            server.bind((address, 0))
            server.listen()
            client.connect(server.getsockname()[:2])


def terminals():
    """Makes a terminal, and has another program use it."""
    leader, follower = os.openpty()
    name = os.ttyname(follower)
    fcntl.ioctl(leader, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    again = os.open(name, os.O_RDWR | os.O_NOCTTY)
    assert os.isatty(again) and os.get_terminal_size(again).columns == 80
    termios.tcsetattr(again, termios.TCSANOW, termios.tcgetattr(again))
    TIOCGPTPEER = 0x5441
    os.close(fcntl.ioctl(leader, TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY))
    subprocess.run(["/usr/bin/dash", "-c", "echo line > /dev/tty"], stdin=follower, stdout=follower, start_new_session=True,
                   preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0), check=True)
    said = b""
    while not said.endswith(b"\n"):  # which comes in parts
        said += os.read(leader, 100)
    assert said == b"line\r\n", said


def folders():
    return "/tmp", "/app", "/data", "/host", "/dev/shm"


def shell(script):
    done = subprocess.run(["/usr/bin/dash", "-ec", script], stdin=subprocess.PIPE, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def write(path):
    with open(path, "w") as f:
        f.write("some text")


def everyday():
    for work in (null_device, standard_streams, descriptor_paths, fifos, unix_sockets, renames, rename_of_the_image,
                 truncation, unnamed_files, anonymous_memory, own_process, own_signals, own_ports, terminals):
        try:
            work()
        except Exception as e:
            print(f"{work.__name__}: {e!r}", flush=True)
    print("DONE", flush=True)


def terminal():
    """Uses the terminal that it was started on, by every name it has."""
    for path in "/dev/tty", "/dev/console", "/dev/stdin", "/dev/stdout", "/dev/stderr", "/proc/self/fd/0":
        fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
        os.get_terminal_size(fd)
        termios.tcsetattr(fd, termios.TCSANOW, termios.tcgetattr(fd))
        os.write(fd, f"to {path}\n".encode())
    print("DONE", flush=True)


try:
    globals()[sys.argv[1]]()
    if sys.argv[1] not in ("everyday", "terminal"):
        print("SUCCEEDED")
except OSError as e:
    print(errno.errorcode.get(e.errno, e))
