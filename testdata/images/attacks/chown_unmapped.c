/*
 * Gives a file to a user that the container has no id for
 * (user_namespaces(7); chown(2)).
 */
#include "attempt.h"
#include <sys/stat.h>

int main(void)
{
	const unsigned int unmapped = 70000;
	struct stat st;

	close(creat("file", 0600));
	if (fchownat(AT_FDCWD, "file", unmapped, unmapped, 0) < 0)
		refused("fchownat");
	errno = 0;
	if (stat("file", &st) < 0 || st.st_uid != unmapped)
		refused("fchownat");
	succeeded("a file of user %u", st.st_uid);
}
