/*
 * Has a virtual console paste what is on it, as if it were typed
 * (ioctl_console(2), TIOCLINUX; CVE-2023-28100), also with bits that the
 * kernel does not read. What is no console answers ENOTTY.
 */
#include "attempt.h"
#include "terminal.h"

int main(void)
{
	static const unsigned long commands[] = { TIOCLINUX, TIOCLINUX | 1UL << 32, TIOCLINUX | 0xffffffffUL << 32 };
	const char paste = 3;
	int tty = own_terminal();

	for (int i = 0; i < 3; i++)
		if (syscall(SYS_ioctl, tty, commands[i], &paste) == 0 || errno == ENOTTY)
			succeeded("the terminal was asked by %#lx: %s", commands[i], strerrorname_np(errno));
	refused("TIOCLINUX");
}
