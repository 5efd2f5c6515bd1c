/*
 * Reads a file that is neither the caller's own nor open to all, as root of
 * the container with the capabilities that pass by such rules
 * (capabilities(7), user_namespaces(7) on unmapped owners).
 */
#include "attempt.h"
#include <fcntl.h>

int main(int argc, char **argv)
{
	if (argc != 2 || open(argv[1], O_RDONLY) < 0)
		refused("open");
	succeeded("%s is open", argv[1]);
}
