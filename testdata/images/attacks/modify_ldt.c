/*
 * Makes a segment of its own for 16-bit or 32-bit code (modify_ldt(2);
 * CVE-2015-3290).
 */
#include "attempt.h"
#ifdef __x86_64__
#include <asm/ldt.h>
#endif

int main(void)
{
#ifdef __x86_64__
	struct user_desc segment = { .limit = 0xfffff, .seg_32bit = 1, .limit_in_pages = 1, .useable = 1 };
	char table[8] = { 0 };

	if (syscall(SYS_modify_ldt, 1, &segment, sizeof segment) < 0) {
		if (errno == ENOSYS)
			cannot_tell("this kernel has no modify_ldt");
		refused("modify_ldt");
	}
	errno = 0;
	if (syscall(SYS_modify_ldt, 0, table, sizeof table) <= 0 || (table[5] & 0x80) == 0)
		refused("modify_ldt");
	succeeded("a segment of ours");
#else
	cannot_tell("segments are of x86");
#endif
}
