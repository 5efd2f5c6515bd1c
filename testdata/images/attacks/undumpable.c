/*
 * Hides its memory from the supervisor, who then cannot read which program it
 * executes (prctl(2), PR_SET_DUMPABLE).
 */
#include "attempt.h"

int main(void)
{
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		refused("prctl");
	if (!executes("/bin/unshare_user"))
		refused("execve");
	succeeded("executed another program");
}
