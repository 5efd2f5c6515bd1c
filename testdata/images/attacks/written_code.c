/*
 * Maps a file that it has written as code (mmap(2), on PROT_EXEC and noexec;
 * the way around a list of programs that loaders take).
 */
#include "attempt.h"
#include <fcntl.h>
#include <sys/mman.h>

#if defined(__x86_64__)
static const unsigned char code[] = { 0xb8, 42, 0, 0, 0, 0xc3 }; /* mov $42, %eax; ret */
#else
static const unsigned int code[] = { 0x52800540, 0xd65f03c0 }; /* mov w0, #42; ret */
#endif

static int run(const char *folder)
{
	char path[4096];
	int fd;
	void *at;

	snprintf(path, sizeof path, "%s/code", folder);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0755);
	if (fd < 0 || write(fd, code, sizeof code) != sizeof code)
		cannot_tell("%s cannot be written: %s", path, strerror(errno));
	at = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	if (at == MAP_FAILED)
		at = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
	if (at == MAP_FAILED || mprotect(at, 4096, PROT_READ | PROT_EXEC))
		return -1;
	return ((int (*)(void))at)();
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (run(argv[i]) == 42)
			succeeded("code from %s runs", argv[i]);
	refused("mmap");
}
