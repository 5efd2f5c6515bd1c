"""Attempts to get past a manifest, one function each.

An attempt prints SUCCEEDED when it got through. Everything else, an error or
the end of the process, is a failure. Each is run by TestAttacks, which says
what the manifest grants.
"""

import ctypes
import errno
import os
import socket
import subprocess
import sys
import threading

libc = ctypes.CDLL(None, use_errno=True)
LOADER = "/lib64/ld-linux-x86-64.so.2"
ARGS = sys.argv[2:]


def succeeded(what=""):
    print("SUCCEEDED", what, flush=True)


def run(argv, **more):
    done = subprocess.run(argv, capture_output=True, text=True, **more)
    if done.returncode == 0:
        succeeded(done.stdout)
    print(done.stderr)


def loader():
    """Runs a program that is not granted through the ELF loader, which is."""
    run([LOADER, "/usr/bin/dash", "-c", "echo in a shell"])


def read_program():
    """Reads the bytes of a program that is not granted."""
    with open("/usr/bin/dash", "rb") as f:
        succeeded(f.read(4))


def written_program():
    """Executes a program that it has written itself."""
    write_copy("/tmp/copy")
    run(["/tmp/copy", "-c", "print('from a copy')"])


def loader_written():
    """Has the loader map a program that it has written itself."""
    write_copy("/tmp/copy")
    run([LOADER, "/tmp/copy", "-c", "print('from a copy')"])


def write_copy(path):
    with open(os.path.realpath("/proc/self/exe"), "rb") as f:
        content = f.read()
    with open(path, "wb") as f:
        f.write(content)
    os.chmod(path, 0o755)


def shared_memory_program():
    """Executes a program that it has written to shared memory."""
    write_copy("/dev/shm/copy")
    run(["/dev/shm/copy", "-c", "print('from shared memory')"])


def memfd_program():
    """Executes a program in anonymous memory that is sealed against it."""
    MFD_NOEXEC_SEAL = 8
    fd = os.memfd_create("copy", MFD_NOEXEC_SEAL)
    with open(os.path.realpath("/proc/self/exe"), "rb") as f:
        os.write(fd, f.read())
    try:
        os.fchmod(fd, 0o755)
    except OSError as e:
        print("fchmod:", e)
    run([f"/proc/self/fd/{fd}", "-c", "print('from memory')"], pass_fds=[fd])


def memfd_unsealed():
    """Makes anonymous memory that could be executed."""
    os.memfd_create("copy", 0)
    succeeded()


def race_program():
    """Swaps the path between the supervisor's check and the kernel's use."""
    granted, other = b"/usr/bin/env\0", b"/usr/bin/id\0"
    path = ctypes.create_string_buffer(granted, 64)
    argv = (ctypes.c_char_p * 2)(b"id", None)
    stop = threading.Event()

    def swap():
        while not stop.is_set():
            ctypes.memmove(path, other, len(other))
            ctypes.memmove(path, granted, len(granted))

    thread = threading.Thread(target=swap)
    thread.start()
    for _ in range(200):
        pid = os.fork()
        if pid == 0:
            libc.execv(path, argv)
            os._exit(99)
        _, status = os.waitpid(pid, 0)
    stop.set()
    thread.join()
    # "id" prints "uid=…"; env prints the environment.


def race_connect():
    """Swaps the port between the supervisor's check and the kernel's use."""
    granted, other = int(ARGS[0]), int(ARGS[1])
    address = ctypes.create_string_buffer(
        socket.AF_INET.to_bytes(2, "little") + granted.to_bytes(2, "big") + socket.inet_aton("127.0.0.1"), 16)
    stop = threading.Event()

    def swap():
        while not stop.is_set():
            address[2:4] = other.to_bytes(2, "big")
            address[2:4] = granted.to_bytes(2, "big")

    thread = threading.Thread(target=swap)
    thread.start()
    for _ in range(2000):
        s = socket.socket()
        if libc.connect(s.fileno(), address, 16) == 0 and s.getpeername()[1] == other:
            succeeded("connected to the other port")
            break
        s.close()
    stop.set()
    thread.join()


def fast_open():
    """Connects by sending, without connect."""
    MSG_FASTOPEN = 0x20000000
    s = socket.socket()
    s.sendto(b"hello", MSG_FASTOPEN, ("127.0.0.1", int(ARGS[0])))
    succeeded()


def listen_unbound():
    """Has the kernel choose the port to listen on."""
    s = socket.socket()
    s.listen()
    succeeded(s.getsockname())


def listen_chosen():
    """Binds to port 0 and listens on what the kernel chose."""
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    s.listen()
    succeeded(s.getsockname())


def abstract_socket():
    """Connects to a socket of the host that has no path."""
    s = socket.socket(socket.AF_UNIX)
    s.connect("\0" + ARGS[0])
    succeeded()


def masked():
    """Reads what is masked in /proc."""
    with open("/proc/kcore", "rb") as f:
        if f.read(4):
            succeeded()


def sysctl():
    """Changes a setting of the kernel."""
    with open("/proc/sys/kernel/core_pattern", "w") as f:
        f.write("core")
    succeeded()


def other_processes():
    """Looks for processes of the host."""
    pids = [p for p in os.listdir("/proc") if p.isdigit() and int(p) != os.getpid()]
    if pids:
        succeeded(pids)


def descriptors():
    """Looks for descriptors that were left open for it."""
    left = [f for f in os.listdir("/proc/self/fd") if int(f) > 2 and os.path.exists(f"/proc/self/fd/{f}")]
    if left:
        succeeded(left)


def host_root():
    """Leaves the root through a folder that it holds open."""
    fd = os.open("/", os.O_RDONLY)
    os.fchdir(fd)
    for _ in range(20):
        os.chdir("..")
    if os.path.exists(ARGS[0]):
        succeeded()


def working_folder():
    """Starts in a folder of the host that the launcher has open."""
    for up in range(20):
        if os.path.exists("../" * up + ARGS[0].lstrip("/")):
            succeeded("from " + os.readlink("/proc/self/cwd"))
            return


def planted_link():
    """Reads what the link that another container left leads to."""
    with open("/shared/secret", "rb") as f:
        succeeded(f.read())


def many_files():
    """Fills the kernel's memory with files that have no content."""
    for n in range(200_000):
        os.close(os.open(f"/dev/shm/{n}", os.O_CREAT | os.O_WRONLY))
    succeeded()


def vsock():
    """Makes a socket to the hypervisor, which no namespace holds back."""
    AF_VSOCK = 40
    try:
        socket.socket(AF_VSOCK, socket.SOCK_STREAM)
    except OSError as e:
        # A kernel without them is as good as a granted one.
        if e.errno != errno.EAFNOSUPPORT:
            raise
    succeeded()


def reopen_output():
    """Opens its output, which it may only write, for reading."""
    print("a line", flush=True)
    for fd in (1, 2):
        try:
            with open(f"/proc/self/fd/{fd}", "rb", buffering=0) as f:
                f.seek(0)
                succeeded(f.read(100))
        except OSError as e:
            print(e)


def reopen_input():
    """Opens its input, which it may only read, for writing."""
    fd = os.open("/proc/self/fd/0", os.O_WRONLY)
    os.ftruncate(fd, 0)
    succeeded()


def hard_link():
    """Gives a file of the image a name where it can be written."""
    os.link("/etc/passwd", "/tmp/passwd")
    with open("/tmp/passwd", "a") as f:
        f.write("x\n")
    succeeded()


def fork_bomb():
    """Starts more processes than it may have."""
    started = 0
    for _ in range(200):
        try:
            pid = os.fork()
        except OSError:
            break
        if pid == 0:
            threading.Event().wait(5)
            os._exit(0)
        started += 1
    if started >= 200:
        succeeded(started)


def fill():
    """Writes more than a writable folder may hold."""
    with open("/tmp/file", "wb") as f:
        for _ in range(64):
            f.write(b"x" * (1 << 20))
            f.flush()
    succeeded()


globals()[sys.argv[1]]()
