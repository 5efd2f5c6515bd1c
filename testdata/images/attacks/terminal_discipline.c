/*
 * Gives its terminal another line discipline, whose code the kernel loads for
 * it and few have looked at (ioctl_tty(2), TIOCSETD; CVE-2017-2636 in n_hdlc,
 * CVE-2023-6546 in n_gsm, CVE-2020-14416 in slip).
 */
#include "attempt.h"
#include "terminal.h"

int main(void)
{
	static const unsigned long commands[] = { TIOCSETD, TIOCSETD | 1UL << 32, TIOCSETD | 1UL << 63 };
	int tty = own_terminal(), met = 0;

	for (int i = 0; i < 3; i++) {
		for (int number = 1; number <= 30; number++) {
			int is = 0;

			if (syscall(SYS_ioctl, tty, commands[i], &number) == 0 && ioctl(tty, TIOCGETD, &is) == 0 && is == number)
				succeeded("discipline %d", number);
			/* What the kernel lacks tells nothing of who may. */
			if (met == 0 || errno == EPERM)
				met = errno;
		}
	}
	errno = met;
	refused("TIOCSETD");
}
