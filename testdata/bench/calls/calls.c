/*
 * calls HOW COUNT NUMBER [ARG...] makes a system call COUNT times in a row,
 * some times over, and prints what one took in the median row, in nanoseconds,
 * and the error number of the last, 0 for none.
 *
 * HOW is "free", "filter:FILE" to load a finished filter from a file first, or
 * "notify" to have the call answered by a child that lets every one go on: what
 * a supervisor costs that does nothing.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Linux 6.6, newer than some distributions' headers. */
#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif
#ifndef SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP 1
#endif

#define ROWS 15

static int load(struct sock_filter *code, size_t length, unsigned flags)
{
	struct sock_fprog program = { length, code };
	int fd;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		err(125, "no_new_privs");
	fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
	if (fd < 0)
		err(125, "seccomp");
	return fd;
}

static void load_file(const char *path)
{
	static struct sock_filter code[BPF_MAXINSNS];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		err(125, "%s", path);
	n = read(fd, code, sizeof(code));
	if (n <= 0)
		err(125, "%s", path);
	close(fd);
	load(code, n / sizeof(code[0]), 0);
}

/* Starts the child. It has the filter too, and does not make the call. */
static pid_t supervise(long number)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	int listener = load(code, sizeof(code) / sizeof(code[0]), SECCOMP_FILTER_FLAG_NEW_LISTENER);
	pid_t pid;

	/* Older kernels are slower without it. */
	ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
	pid = fork();
	if (pid < 0)
		err(125, "fork");
	if (pid > 0)
		return pid;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		err(125, "parent's death");
	for (;;) {
		struct seccomp_notif call = { 0 };
		struct seccomp_notif_resp answer = { .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE };

		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) < 0)
			continue;
		answer.id = call.id;
		ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
	}
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	double rows[ROWS];
	long count, number, args[6] = { 0 };
	pid_t child = 0;
	int last = 0;

	if (argc < 4 || argc > 10)
		errx(125, "usage: calls HOW COUNT NUMBER [ARG...]");
	count = strtol(argv[2], NULL, 0);
	number = strtol(argv[3], NULL, 0);
	for (int i = 4; i < argc; i++)
		args[i - 4] = strtol(argv[i], NULL, 0);

	if (strncmp(argv[1], "filter:", 7) == 0)
		load_file(argv[1] + 7);
	else if (strcmp(argv[1], "notify") == 0)
		child = supervise(number);
	else if (strcmp(argv[1], "free") != 0)
		errx(125, "no way to make calls: %s", argv[1]);

	for (int row = 0; row < ROWS; row++) {
		double started = now();

		for (long i = 0; i < count; i++)
			last = syscall(number, args[0], args[1], args[2], args[3], args[4], args[5]) == -1 ? errno : 0;
		rows[row] = (now() - started) / count;
	}
	if (child > 0) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	qsort(rows, ROWS, sizeof(rows[0]), compare);
	printf("%.2f %d\n", rows[ROWS / 2], last);
	return 0;
}
