/* Starts a program that is another user's and has the set-user-ID bit. A
 * container's programs gain nothing by it, so it stays who it was. */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int status;
	if (argc == 2) {
		printf("passed as %d %d\n", getuid() == geteuid(), getuid() == 0);
		return getuid() != geteuid();
	}
	pid_t pid = fork();
	if (pid == 0) {
		execl("/bin/privileged", "privileged", "again", NULL);
		_exit(127);
	}
	return pid < 0 || waitpid(pid, &status, 0) != pid || status != 0;
}
