/*
 * Makes a firewall table in a network namespace of its own, by nf_tables
 * (CVE-2022-32250, CVE-2024-1086).
 */
#include "attempt.h"
#include <sched.h>
#include <sys/socket.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

struct message {
	struct nlmsghdr head;
	struct nfgenmsg of;
};

int main(void)
{
	struct {
		struct message begin, table;
		struct nlattr attr;
		char name[8];
		struct message end;
	} batch = {
		{ { sizeof(struct message), NFNL_MSG_BATCH_BEGIN, NLM_F_REQUEST, 0, 0 }, { .res_id = 10 << 8 } },
		{ { sizeof(struct message) + 12, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWTABLE,
		    NLM_F_REQUEST | NLM_F_CREATE | NLM_F_ACK, 1, 0 }, { .nfgen_family = 2 /* IPv4 */ } },
		{ 12, NFTA_TABLE_NAME }, "attempt",
		{ { sizeof(struct message), NFNL_MSG_BATCH_END, NLM_F_REQUEST, 2, 0 }, { .res_id = 10 << 8 } },
	};
	char answer[1024];
	int s;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		refused("unshare");
	s = socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER);
	if (s < 0)
		refused("socket");
	if (send(s, &batch, sizeof batch, 0) < 0)
		refused("send");
	if (recv(s, answer, sizeof answer, 0) < 0)
		refused("recv");
	errno = -((struct nlmsgerr *)NLMSG_DATA((struct nlmsghdr *)answer))->error;
	if (errno)
		refused("NFT_MSG_NEWTABLE");
	succeeded("a firewall table of ours");
}
