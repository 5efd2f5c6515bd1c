/*
 * Takes more memory than it may have, by all that has some: pages of its own
 * and shared ones, files without a name, buffers of sockets and pipes, tables of
 * pages (cgroups(7); Linux, admin-guide/cgroup-v2.rst, "memory").
 */
#include "attempt.h"
#include "network.h"
#include <sys/shm.h>

enum { WANTED = 160 << 20, LACKING = 2 };

static int pages(int flags)
{
	char *p = mmap(NULL, WANTED, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | flags, -1, 0);

	if (p == MAP_FAILED)
		return -1;
	for (long i = 0; i < WANTED; i += 4096)
		p[i] = 1;
	return 0;
}

static int own(void) { return pages(MAP_PRIVATE); }
static int common(void) { return pages(MAP_SHARED); }

static int nameless(void)
{
	static char content[1 << 20];
	int fd = memfd_create("memory", 8 /* MFD_NOEXEC_SEAL, Linux 6.3 */);

	if (fd < 0 && errno == EINVAL)
		return LACKING;
	for (long i = 0; fd >= 0 && i < WANTED; i += sizeof content)
		if (write(fd, content, sizeof content) != sizeof content)
			return -1;
	return fd < 0 ? -1 : 0;
}

static int segment(void)
{
	int id = shmget(IPC_PRIVATE, WANTED, IPC_CREAT | 0600);
	char *p = id < 0 ? (char *)-1 : shmat(id, NULL, 0);

	if (p == (char *)-1)
		return -1;
	shmctl(id, IPC_RMID, NULL);
	for (long i = 0; i < WANTED; i += 4096)
		p[i] = 1;
	return 0;
}

static int sockets(void)
{
	static char content[32 << 10];
	int ends[2];

	for (long taken = 0; taken < WANTED;) {
		ssize_t n;

		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) < 0)
			return -1;
		while ((n = write(ends[0], content, sizeof content)) > 0)
			taken += n;
	}
	return 0;
}

/* One page of content a gigabyte takes pages of tables as well. */
static int tables(void)
{
	for (long taken = 0; taken < WANTED; taken += 3 * 4096) {
		char *p = mmap(NULL, 1UL << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		if (p == MAP_FAILED)
			return -1;
		/* A huge page takes no table. */
		madvise(p, 1UL << 30, MADV_NOHUGEPAGE);
		p[1 << 29] = 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*take)(void);
	} ways[] = {
		{ "own-pages", own }, { "shared-pages", common }, { "nameless-file", nameless },
		{ "segment", segment }, { "sockets", sockets }, { "page-tables", tables },
	};
	int *taken = shared(sizeof *taken);

	errno = 0;
	for (unsigned int i = 0; i < sizeof ways / sizeof *ways; i++) {
		pid_t pid;

		/* The way that is asked for, or one after the other. */
		if (argc > 1 && strcmp(argv[1], ways[i].name))
			continue;
		pid = fork();
		if (pid == 0) {
			int way = ways[i].take();

			*taken = way == 0 ? 1 : way;
			_exit(0);
		}
		if (pid < 0 || waitpid(pid, NULL, 0) < 0)
			refused("fork");
		if (*taken == LACKING && argc > 1)
			cannot_tell("this kernel has no %s", ways[i].name);
		if (*taken == 1)
			succeeded("%d bytes by %s", WANTED, ways[i].name);
	}
	/* Who wants more is ended. */
	errno = ENOMEM;
	refused("memory");
}
