/* A terminal of the program's own, for what is done to terminals. */
#include <poll.h>
#include <sys/ioctl.h>

/*
 * Goes on in a child whose controlling terminal it is. The parent ends as the
 * child does.
 */
static int own_terminal(void)
{
	int unlock = 0, number, status, master = open("/dev/ptmx", O_RDWR | O_NOCTTY), tty;
	char path[32];
	pid_t pid;

	if (master < 0 || ioctl(master, TIOCSPTLCK, &unlock) < 0 || ioctl(master, TIOCGPTN, &number) < 0)
		refused("/dev/ptmx");
	pid = fork();
	if (pid != 0) {
		if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
			refused("fork");
		exit(WEXITSTATUS(status));
	}
	snprintf(path, sizeof path, "/dev/pts/%d", number);
	setsid();
	tty = open(path, O_RDWR);
	if (tty < 0 || ioctl(tty, TIOCSCTTY, 0) < 0)
		refused(path);
	return tty;
}
