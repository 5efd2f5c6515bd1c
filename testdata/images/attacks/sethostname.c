/*
 * Changes the host's name (sethostname(2)).
 */
#include "attempt.h"

int main(void)
{
	char name[64] = "";

	if (sethostname("lpm-attempt", 11) < 0)
		refused("sethostname");
	gethostname(name, sizeof name - 1);
	errno = 0;
	if (strcmp(name, "lpm-attempt") != 0)
		refused("sethostname");
	succeeded("the host is called %s", name);
}
