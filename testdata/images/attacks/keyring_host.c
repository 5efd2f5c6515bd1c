/*
 * Reads a key of the caller's by its number. Keys are in no namespace: whoever
 * has the caller's id can, wherever the key's permissions let him
 * (keyctl_read(3), user_namespaces(7)).
 */
#include "attempt.h"
#include <linux/keyctl.h>

int main(int argc, char **argv)
{
	char secret[64] = "";

	if (argc < 2)
		cannot_tell("which key?");
	if (syscall(SYS_keyctl, KEYCTL_READ, atoi(argv[1]), secret, sizeof secret - 1) < 0)
		refused("keyctl");
	succeeded("the key is %s", secret);
}
