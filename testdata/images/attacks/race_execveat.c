/*
 * Has another thread put another program in the place of the descriptor that is
 * executed (execveat(2), AT_EMPTY_PATH): a copy that it has written itself.
 */
#include "attempt.h"
#include "race.h"

static int program, copy, place;

static void *puts_either(void *arg)
{
	for (;;) {
		dup2(copy, place);
		dup2(program, place);
	}
	return arg;
}

static int copied(const char *from, const char *to)
{
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0755);
	char buffer[65536];
	ssize_t n;

	while (in >= 0 && (n = read(in, buffer, sizeof buffer)) > 0)
		if (write(out, buffer, n) != n)
			refused("write");
	close(in);
	close(out);
	return open(to, O_RDONLY | O_CLOEXEC);
}

int main(int argc, char **argv)
{
	char self[256] = { 0 };

	if (readlink("/proc/self/exe", self, sizeof self - 1) < 0)
		cannot_tell("what am I?");
	if (argc == 2 && strcmp(argv[1], "granted") == 0)
		_exit(strcmp(strrchr(self, '/'), "/copy") == 0 ? GRANTED + 1 : GRANTED);
	program = open(self, O_RDONLY | O_CLOEXEC), copy = copied(self, "copy");
	if (program < 0 || copy < 0)
		cannot_tell("no copy: %s", strerrorname_np(errno));
	place = dup(program);
	/* Either is there at first. */
	for (int i = 0; i < 200; i++) {
		char *args[] = { "program", "granted", NULL }, *none[] = { NULL };
		int status;
		pid_t pid;

		dup2(i % 2 ? copy : program, place);
		pid = fork();
		if (pid == 0) {
			/* The two are of one process, which its threads share. */
			begin(puts_either, NULL);
			for (int tries = 0; tries < 20; tries++)
				syscall(SYS_execveat, place, "", args, none, AT_EMPTY_PATH);
			_exit(GRANTED);
		}
		if (pid < 0 || waitpid(pid, &status, 0) < 0)
			refused("fork");
		if (WIFEXITED(status) && WEXITSTATUS(status) == GRANTED + 1)
			succeeded("the copy has been executed, by the %d. try", i + 1);
	}
	errno = 0;
	refused("execveat");
}
