/*
 * Mounts an overlay in namespaces of its own (CVE-2023-0386, CVE-2021-3493).
 */
#include "attempt.h"
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

int main(void)
{
	static const char *const folders[] = { "/tmp/lower", "/tmp/upper", "/tmp/work", "/tmp/merged" };
	static const char *const maps[][2] = {
		{ "/proc/self/setgroups", "deny" }, { "/proc/self/gid_map", "0 0 1" }, { "/proc/self/uid_map", "0 0 1" },
	};

	for (int i = 0; i < 4; i++)
		if (mkdir(folders[i], 0700) < 0)
			refused("mkdir");
	close(creat("/tmp/lower/file", 0600));
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		refused("unshare");
	for (int i = 0; i < 3; i++) {
		int map = open(maps[i][0], O_WRONLY);

		if (map < 0 || write(map, maps[i][1], strlen(maps[i][1])) < 0)
			refused(maps[i][0]);
		close(map);
	}
	if (mount("none", "/tmp/merged", "overlay", 0,
		  "lowerdir=/tmp/lower,upperdir=/tmp/upper,workdir=/tmp/work,userxattr") < 0)
		refused("mount");
	errno = 0;
	if (access("/tmp/merged/file", F_OK) < 0)
		refused("mount");
	succeeded("an overlay of ours");
}
