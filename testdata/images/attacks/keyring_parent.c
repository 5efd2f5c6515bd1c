/*
 * Gives the process that started it, which is lpm, a session keyring of its
 * own making (keyctl_session_to_parent(3)).
 */
#include "attempt.h"
#include <linux/keyctl.h>

int main(void)
{
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0)
		refused("keyctl");
	if (syscall(SYS_keyctl, KEYCTL_SESSION_TO_PARENT) < 0)
		refused("keyctl");
	succeeded("lpm has a keyring of ours");
}
