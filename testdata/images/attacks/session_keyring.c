/*
 * Looks for a key in the session keyring, which a process inherits from the
 * shell that started its container (session-keyring(7); docker's reason to
 * refuse keyctl).
 */
#include "attempt.h"
#include <linux/keyctl.h>

int main(int argc, char **argv)
{
	char secret[64] = "";
	long key;

	if (argc < 2)
		cannot_tell("which key?");
	key = syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", argv[1], 0);
	if (key < 0)
		refused("keyctl");
	if (syscall(SYS_keyctl, KEYCTL_READ, key, secret, sizeof secret - 1) < 0)
		refused("keyctl");
	succeeded("the key is %s", secret);
}
