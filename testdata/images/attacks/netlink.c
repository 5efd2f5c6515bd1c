/*
 * Asks the kernel for the network's interfaces by a netlink socket, whose
 * parsers are many (netlink(7); CVE-2022-34918 and CVE-2023-3390 start so).
 */
#include "attempt.h"
#include <net/if.h>
#include <sys/socket.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

int main(void)
{
	struct {
		struct nlmsghdr head;
		struct ifinfomsg info;
	} ask = {
		.head = { sizeof ask, RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, 1, 0 },
	};
	char answer[8192];
	int s = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);

	if (s < 0)
		refused("socket");
	if (send(s, &ask, sizeof ask, 0) < 0)
		refused("send");
	if (recv(s, answer, sizeof answer, 0) < 0)
		refused("recv");
	errno = 0;
	if (((struct nlmsghdr *)answer)->nlmsg_type != RTM_NEWLINK)
		refused("recv");
	succeeded("the kernel told of its interfaces");
}
