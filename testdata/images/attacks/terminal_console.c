/*
 * Has all that is written to the machine's console come to its terminal
 * (ioctl_console(2), TIOCCONS).
 */
#include "attempt.h"
#include "terminal.h"

int main(void)
{
	int tty = own_terminal();

	if (ioctl(tty, TIOCCONS, 0) < 0)
		refused("TIOCCONS");
	succeeded("has the console");
}
