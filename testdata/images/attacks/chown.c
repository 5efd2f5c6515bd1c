/*
 * Gives a file to another user (chown(2)).
 */
#include "attempt.h"
#include <sys/stat.h>

int main(void)
{
	struct stat st;

	close(creat("file", 0600));
	if (fchownat(AT_FDCWD, "file", 33, 33, 0) < 0)
		refused("fchownat");
	errno = 0;
	if (stat("file", &st) < 0 || st.st_uid != 33)
		refused("fchownat");
	succeeded("a file of user %u", st.st_uid);
}
