/*
 * Takes a capability back that its first process gave up (capset(2)).
 */
#include "attempt.h"
#include <linux/capability.h>

int main(void)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = { { 0 } };

	data[0].effective = data[0].permitted = 1 << CAP_SYS_CHROOT;
	if (syscall(SYS_capset, &head, data) < 0)
		refused("capset");
	errno = 0;
	if (capabilities() != 1 << CAP_SYS_CHROOT)
		refused("capset");
	succeeded("capabilities %#llx", capabilities());
}
