/*
 * Changes what user 0 means for capabilities (capabilities(7), securebits).
 */
#include "attempt.h"
#include <linux/securebits.h>

int main(void)
{
	if (prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0) < 0)
		refused("prctl");
	errno = 0;
	if (!(prctl(PR_GET_SECUREBITS, 0, 0, 0, 0) & SECBIT_NO_SETUID_FIXUP))
		refused("prctl");
	succeeded("capabilities outlive a change of users");
}
