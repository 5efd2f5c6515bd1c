/*
 * Takes back that no program gives it privileges (prctl(2),
 * PR_SET_NO_NEW_PRIVS), for set-user-id programs and file capabilities.
 */
#include "attempt.h"

int main(void)
{
	int failed = prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0), met = errno;

	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0)
		succeeded("programs can give privileges");
	errno = failed ? met : 0;
	refused("prctl");
}
