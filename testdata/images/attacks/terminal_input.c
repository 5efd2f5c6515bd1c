/*
 * Types into its terminal, for the shell that reads from it next
 * (ioctl_tty(2), TIOCSTI; CVE-2017-5226), also with bits that the kernel does
 * not read (CVE-2019-10063).
 */
#include "attempt.h"
#include "terminal.h"

int main(void)
{
	static const unsigned long commands[] = {
		TIOCSTI, TIOCSTI | 1UL << 32, TIOCSTI | 1UL << 63, TIOCSTI | 0xffffffffUL << 32,
	};
	int tty = own_terminal(), met = 0;

	for (int i = 0; i < 4; i++) {
		struct pollfd waits = { .fd = tty, .events = POLLIN };

		if (syscall(SYS_ioctl, tty, commands[i], "\n") < 0) {
			met = errno;
			continue;
		}
		if (poll(&waits, 1, 5000) == 1)
			succeeded("typed a line by %#lx", commands[i]);
	}
	errno = met;
	refused("TIOCSTI");
}
