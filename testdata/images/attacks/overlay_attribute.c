/*
 * Has the overlay of a writable folder show something else by its own extended
 * attributes (CVE-2021-3493, CVE-2023-0386; overlayfs.rst, userxattr).
 */
#include "attempt.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

int main(void)
{
	static const char *const names[] = {
		"user.overlay.redirect", "trusted.overlay.redirect", "user.overlay.metacopy", "user.overlay.opaque",
	};
	char value[64];
	struct stat s;

	if (chdir("/srv") || mkdir("mine", 0755))
		refused("mkdir");
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		const char *to = strstr(names[i], "redirect") ? "/srv" : "y";

		setxattr("mine", names[i], to, strlen(to), 0);
	}
	rename("mine", "other");
	if (stat("other/seen", &s) == 0)
		succeeded("a folder shows another");
	if (stat("hidden", &s) == 0 || stat("other/hidden", &s) == 0)
		succeeded("what was hidden is there");
	if (getxattr("/", "trusted.overlay.opaque", value, sizeof value) >= 0)
		succeeded("the overlay's own attributes can be read");
	refused("open");
}
