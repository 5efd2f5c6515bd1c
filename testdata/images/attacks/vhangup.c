/*
 * Hangs the terminal up, for all that have it (vhangup(2)).
 */
#include "attempt.h"
#include "terminal.h"

int main(void)
{
	own_terminal();
	if (syscall(SYS_vhangup) < 0)
		refused("vhangup");
	succeeded("hung up");
}
