/*
 * Asks for a file's handle, the first half of an escape by handles
 * (name_to_handle_at(2)).
 */
#include "attempt.h"

int main(void)
{
	struct {
		struct file_handle head;
		char rest[MAX_HANDLE_SZ];
	} h = { { .handle_bytes = MAX_HANDLE_SZ } };
	int mount;

	if (name_to_handle_at(AT_FDCWD, "/tmp", &h.head, &mount, 0) < 0)
		refused("name_to_handle_at");
	succeeded("a handle of %u bytes", h.head.handle_bytes);
}
