/*
 * floor TREE PROGRAM ARG... runs a program of a tree in a container, with the
 * fewest steps that deserve the name: every namespace, one id mapped, the tree
 * read-only, /proc and /tmp, a new root, no new privileges, one filter.
 *
 * What it takes is the floor below which no launcher of containers gets.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#error "no filter for this architecture"
#endif

#define NAMESPACES                                                        \
	(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC |      \
	 CLONE_NEWUTS | CLONE_NEWCGROUP | CLONE_NEWNET)

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		err(125, "writing %s", path);
	close(fd);
}

static void map_one_id(const char *file, unsigned id)
{
	char line[64];

	snprintf(line, sizeof(line), "%u %u 1\n", id, id);
	write_file(file, line);
}

static void step(int result, const char *what)
{
	if (result < 0)
		err(125, "%s", what);
}

/* A filter that looks at the architecture and at one call, as any must. */
static void filter(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ptrace, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };

	step(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
	step(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), "filter");
}

static void child(unsigned uid, unsigned gid, char **args)
{
	write_file("/proc/self/setgroups", "deny");
	map_one_id("/proc/self/uid_map", uid);
	map_one_id("/proc/self/gid_map", gid);

	step(mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL), "private mounts");
	step(mount(args[0], args[0], NULL, MS_BIND | MS_REC, NULL), "bind");
	step(chdir(args[0]), "chdir");
	step(mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL), "proc");
	step(mount("tmpfs", "tmp", "tmpfs", MS_NOSUID | MS_NODEV, NULL), "tmpfs");
	step(mount(NULL, args[0], NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV, NULL), "read-only");
	step(syscall(SYS_pivot_root, ".", "."), "pivot_root");
	step(umount2(".", MNT_DETACH), "umount");
	step(chdir("/"), "chdir");
	filter();
	execv(args[1], args + 1);
	err(127, "%s", args[1]);
}

int main(int argc, char **argv)
{
	unsigned uid = getuid(), gid = getgid();
	int status;
	pid_t pid;

	if (argc < 3)
		errx(125, "usage: floor TREE PROGRAM ARG...");
	pid = syscall(SYS_clone, NAMESPACES | SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid < 0)
		err(125, "clone");
	if (pid == 0)
		child(uid, gid, argv + 1);
	if (waitpid(pid, &status, 0) < 0)
		err(125, "waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
