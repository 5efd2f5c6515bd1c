/*
 * The three ways in which an attempt ends, and what several of them do. Each
 * attempt is one program, and says in its first comment what it tries and
 * whose idea that was.
 */
#ifndef ATTEMPT_H
#define ATTEMPT_H

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* The effect was seen, not only a call's result. */
__attribute__((noreturn, format(printf, 1, 2), unused))
static void succeeded(const char *what, ...)
{
	va_list args;

	va_start(args, what);
	printf("SUCCEEDED: ");
	vprintf(what, args);
	printf("\n");
	exit(0);
}

/* The call was refused with errno, or did nothing where that is 0. */
__attribute__((noreturn, unused))
static void refused(const char *call)
{
	printf("refused: %s: %s\n", call, errno ? strerrorname_np(errno) : "no effect");
	exit(1);
}

/* Nothing was refused, and there was nothing to get either. */
__attribute__((noreturn, format(printf, 1, 2), unused))
static void cannot_tell(const char *why, ...)
{
	va_list args;

	va_start(args, why);
	printf("cannot tell: ");
	vprintf(why, args);
	printf("\n");
	exit(2);
}

/* What the process may do, as a bit for each capability in effect. */
__attribute__((unused))
static unsigned long long capabilities(void)
{
	unsigned long long set = 0;
	char line[256];
	FILE *status = fopen("/proc/self/status", "r");

	while (status && fgets(line, sizeof line, status))
		if (sscanf(line, "CapEff: %llx", &set) == 1)
			break;
	if (status)
		fclose(status);
	return set;
}

/* Whether a program can be executed; if not, errno says why. */
__attribute__((unused))
static int executes(char *path)
{
	int ends[2], met = 0;
	pid_t pid;

	if (pipe(ends) < 0)
		refused("pipe");
	pid = fork();
	if (pid == 0) {
		char *argv[] = { path, NULL };

		/* The kernel closes them when it executes the program. */
		fcntl(ends[0], F_SETFD, FD_CLOEXEC);
		fcntl(ends[1], F_SETFD, FD_CLOEXEC);
		close(1);
		execv(path, argv);
		met = errno;
		_exit(write(ends[1], &met, sizeof met) < 0);
	}
	close(ends[1]);
	if (pid < 0 || read(ends[0], &met, sizeof met) < 0)
		refused("fork");
	close(ends[0]);
	waitpid(pid, NULL, 0);
	errno = met;
	return met == 0;
}

/* Memory that this process shares with those it starts. */
__attribute__((unused))
static void *shared(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		refused("mmap");
	return p;
}

/* A process of the same container, which holds a secret for others to get. */
struct other {
	pid_t pid;
	long *secret;   /* where its copy is, at the same address as ours */
	int fd;         /* a pipe that only it has, with the secret in it */
};

#define SECRET 0x5ec2e7L

__attribute__((unused))
static struct other other(void)
{
	static long secret;
	volatile int *fd = shared(sizeof *fd);
	struct other o = { .secret = &secret };

	o.pid = fork();
	if (o.pid < 0)
		refused("fork");
	if (o.pid == 0) {
		int ends[2];

		/* Where the Yama module rules, it has to agree. */
		prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
		prctl(PR_SET_PDEATHSIG, 9, 0, 0, 0);
		secret = SECRET;
		if (pipe(ends) < 0 || write(ends[1], &secret, sizeof secret) < 0)
			_exit(1);
		*fd = ends[0];
		for (;;)
			pause();
	}
	while (*fd == 0)
		usleep(1000);
	o.fd = *fd;
	return o;
}

#endif
