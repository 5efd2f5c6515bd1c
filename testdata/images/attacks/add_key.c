/*
 * Puts a key into the kernel's memory (CVE-2017-15274).
 */
#include "attempt.h"
#include <linux/keyctl.h>

int main(void)
{
	char content[8] = "";
	long key = syscall(SYS_add_key, "user", "lpm-attempt", "content", 7, KEY_SPEC_PROCESS_KEYRING);

	if (key < 0)
		refused("add_key");
	if (syscall(SYS_keyctl, KEYCTL_READ, key, content, 7) < 0)
		refused("keyctl");
	if (strcmp(content, "content") != 0)
		cannot_tell("the key is another");
	succeeded("the kernel keeps a key of ours");
}
