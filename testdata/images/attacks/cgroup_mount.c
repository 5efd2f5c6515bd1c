/*
 * Mounts the control groups, to write to their limits or to the release_agent
 * that the host's kernel starts as root (CVE-2022-0492, CDK's "mount-cgroup").
 */
#include "attempt.h"
#include <sys/mount.h>

int main(void)
{
	if (mount("cgroup", "/tmp", "cgroup", 0, "memory") &&
	    mount("cgroup", "/tmp", "cgroup", 0, "rdma") &&
	    mount("cgroup2", "/tmp", "cgroup2", 0, NULL))
		refused("mount");
	if (access("/tmp/cgroup.procs", F_OK))
		refused("access");
	succeeded("the control groups are mounted");
}
