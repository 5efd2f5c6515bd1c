/*
 * Has more files open than it may have, in messages that nobody receives
 * (unix(7), ETOOMANYREFS; CVE-2013-4312).
 */
#include "attempt.h"
#include "network.h"

int main(void)
{
	enum { EACH = 32, ENOUGH = 500 };
	int ends[2], files[EACH];
	char control[CMSG_SPACE(sizeof files)];
	struct iovec data = { "x", 1 };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);

	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof files);
	for (int sent = 0; sent < ENOUGH; sent += EACH) {
		/* Each message by a socket of its own, whose buffer is empty. */
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
			refused("socketpair");
		for (int i = 0; i < EACH; i++) {
			files[i] = open("/proc/self/exe", O_RDONLY);
			if (files[i] < 0)
				refused("open");
		}
		memcpy(CMSG_DATA(head), files, sizeof files);
		if (sendmsg(ends[0], &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			refused("sendmsg");
		for (int i = 0; i < EACH; i++)
			close(files[i]);
	}
	succeeded("%d files are open", ENOUGH);
}
