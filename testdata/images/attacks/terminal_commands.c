/*
 * Has lpm tell of refusals whose names are commands to the terminal that it
 * writes to: for its title, for an answer that a shell then reads, to go back
 * over a line, to turn the text around, and lines of lpm's own (CVE-2003-0063,
 * CVE-2021-25743, CVE-2021-42574, CVE-2023-28101).
 */
#include "attempt.h"

int main(void)
{
	static const char *const names[] = {
		"\033]0;title\007", "\033[21t", "\033P$q\"p\033\\", "\033[2K\033[1A\rlpm: approved", "\033c", "\016",
		"\xc2\x9b" "31m", "\x9b" "31m", "\xc2\x90q\xc2\x9c", "nib\xe2\x80\xaehs", "\xe2\x81\xa6x\xe2\x81\xa9",
		"x\nlpm: the image is trusted\nhint: nothing", "x\b\b\b\bbin", "\xff\xfe", "x\x7f", "a\xe2\x80\x8b" "b",
	};
	char *argv[] = { "x", NULL }, *envp[] = { NULL };

	for (unsigned int i = 0; i < sizeof names / sizeof *names; i++) {
		if (close(open(names[i], O_WRONLY | O_CREAT, 0755)) < 0)
			cannot_tell("no file can have such a name: %s", strerrorname_np(errno));
		execve(names[i], argv, envp);
	}
	if (executes("/bin/unshare_user"))
		succeeded("executed another program");
	refused("execve");
}
