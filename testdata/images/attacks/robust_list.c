/*
 * Asks for another process's list of robust futexes, which tells its
 * addresses (get_robust_list(2); "deprecated" for that reason).
 */
#include "attempt.h"
#include <linux/futex.h>

int main(void)
{
	struct other o = other();
	struct robust_list_head *head = NULL;
	size_t size = 0;

	if (syscall(SYS_get_robust_list, o.pid, &head, &size) < 0)
		refused("get_robust_list");
	errno = 0;
	if (head == NULL)
		refused("get_robust_list");
	succeeded("the list is at %p", (void *)head);
}
