/*
 * Has a capability stay with every program that it executes
 * (capabilities(7), ambient set; CVE-2022-24769 left the inheritable set full).
 */
#include "attempt.h"
#include <linux/capability.h>

int main(void)
{
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_RAW, 0, 0) < 0)
		refused("prctl");
	errno = 0;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_NET_RAW, 0, 0) != 1)
		refused("prctl");
	succeeded("CAP_NET_RAW stays");
}
