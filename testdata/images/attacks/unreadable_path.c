/*
 * Executes by a path that cannot be read when it is looked at: its page comes
 * and goes, it ends with the page, and it is nowhere (process_vm_readv(2),
 * mprotect(2)).
 */
#include "attempt.h"
#include "race.h"

static char *page, *path;

static void *comes_and_goes(void *arg)
{
	for (;;) {
		mprotect(page, 4096, PROT_NONE);
		mprotect(page, 4096, PROT_READ);
	}
	return arg;
}

static void execute(char **argv, char **envp) { execve(path, argv, envp); }

int main(int argc, char **argv)
{
	static char *const nowhere[] = { NULL, (char *)8, (char *)-4096L, (char *)(1UL << 63), (char *)(1UL << 47) };

	page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED || munmap(page + 4096, 4096))
		refused("mmap");
	for (int i = 0; i < 5; i++) {
		path = nowhere[i];
		if (executed_other(execute))
			succeeded("executed what is at %p", path);
	}
	/* Without its end on the page, and with it. */
	for (int end = 0; end < 2; end++) {
		path = page + 4096 - strlen(OTHER) - end;
		memcpy(path, OTHER, strlen(OTHER));
		if (executed_other(execute))
			succeeded("executed " OTHER ", whose path ends %d before its page", end);
	}
	for (int i = 0; i < 300; i++) {
		int status;
		pid_t pid = fork();

		if (pid == 0) {
			char *argv[] = { OTHER, NULL }, *envp[] = { NULL };

			close(1);
			begin(comes_and_goes, NULL);
			for (int tries = 0; tries < 20; tries++)
				execve(path, argv, envp);
			_exit(GRANTED);
		}
		if (pid < 0 || waitpid(pid, &status, 0) < 0)
			refused("fork");
		if (!WIFEXITED(status) || WEXITSTATUS(status) != GRANTED)
			succeeded("executed " OTHER " by a path that comes and goes");
	}
	refused("execve");
}
