/*
 * Reads what tells of the host in /proc, under the very names that container
 * engines mask (moby, oci/defaults.go; CVE-2017-5967, CVE-2017-16539,
 * CVE-2018-10892).
 */
#include "attempt.h"
#include <dirent.h>
#include <fcntl.h>

static const char *const files[] = {
	"/proc/interrupts", "/proc/keys", "/proc/kcore", "/proc/timer_list",
	"/proc/timer_stats", "/proc/latency_stats", "/proc/sched_debug",
};
static const char *const folders[] = { "/proc/acpi", "/proc/asound", "/proc/scsi" };

int main(void)
{
	char text[64];
	struct dirent *e;

	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		int fd = open(files[i], O_RDONLY);

		if (fd >= 0 && read(fd, text, sizeof text) > 0)
			succeeded("%s has content", files[i]);
		close(fd);
	}
	for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
		DIR *d = opendir(folders[i]);

		while (d && (e = readdir(d)))
			if (e->d_name[0] != '.')
				succeeded("%s has %s", folders[i], e->d_name);
	}
	refused("read");
}
