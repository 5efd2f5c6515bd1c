/*
 * Reads a masked file by ways around its name: the magic links of /proc, a
 * hard link, a resolution that starts below (runc CVE-2025-31133 and its
 * kind look for a name that the mask does not cover).
 */
#include "attempt.h"
#include <fcntl.h>
#include <linux/openat2.h>

static void look(int fd, const char *way)
{
	char text[64];

	if (fd >= 0 && read(fd, text, sizeof text) > 0)
		succeeded("%s shows %.*s", way, 16, text);
	close(fd);
}

int main(void)
{
	static const char *const ways[] = {
		"/proc/self/root/proc/interrupts", "/proc/1/root/proc/interrupts",
		"/proc/thread-self/root/proc/interrupts", "/proc/self/cwd/proc/interrupts",
		"/proc/self/task/../../interrupts", "/proc/1/../interrupts",
		"/dev/fd/../../../interrupts", "//proc/./interrupts/",
	};
	struct open_how how = { .flags = O_RDONLY, .resolve = RESOLVE_BENEATH };
	char again[32];
	int proc = open("/proc", O_PATH), path = open("/proc/interrupts", O_PATH);

	if (chdir("/"))
		refused("chdir");
	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
		look(open(ways[i], O_RDONLY), ways[i]);
	look(openat(proc, "interrupts", O_RDONLY), "a descriptor of /proc");
	look(syscall(SYS_openat2, proc, "interrupts", &how, sizeof how), "openat2");
	snprintf(again, sizeof again, "/proc/self/fd/%d", path);
	look(open(again, O_RDONLY), "an O_PATH descriptor");
	if (link("/proc/interrupts", "/tmp/interrupts") == 0)
		look(open("/tmp/interrupts", O_RDONLY), "a hard link");
	refused("link");
}
