/*
 * Writes a capability onto a file (capabilities(7), "File capabilities";
 * CVE-2018-18955, by which a container's were good for the host's files).
 */
#include "attempt.h"
#include <linux/capability.h>
#include <sys/xattr.h>

int main(void)
{
	struct vfs_cap_data data = {
		.magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE,
		.data = { { .permitted = 1 << CAP_NET_RAW } },
	};

	close(creat("file", 0700));
	if (setxattr("file", "security.capability", &data, sizeof data, 0) < 0)
		refused("setxattr");
	succeeded("a file with CAP_NET_RAW");
}
