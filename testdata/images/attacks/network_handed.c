/*
 * Joins the host's network by a descriptor of it that a process of the host
 * hands out (setns(2), unix(7)).
 */
#include "attempt.h"
#include "network.h"
#include <sched.h>

int main(int argc, char **argv)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int s = socket(AF_UNIX, SOCK_STREAM, 0), ns = -1;
	char control[CMSG_SPACE(sizeof ns)], byte;
	struct iovec data = { &byte, 1 };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };

	if (argc < 2 || strlen(argv[1]) >= sizeof to.sun_path)
		cannot_tell("which socket?");
	strcpy(to.sun_path, argv[1]);
	if (connect(s, (struct sockaddr *)&to, sizeof to) < 0 || recvmsg(s, &message, 0) < 1 || !CMSG_FIRSTHDR(&message))
		cannot_tell("nothing is handed out: %s", strerrorname_np(errno));
	memcpy(&ns, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof ns);
	if (setns(ns, CLONE_NEWNET) < 0)
		refused("setns");
	succeeded("in another network");
}
