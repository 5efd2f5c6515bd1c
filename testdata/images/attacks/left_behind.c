/*
 * Looks for what a container before it has written, in every place that can be
 * written to (the image's own tree is shared by all containers of it).
 */
#include "attempt.h"
#include <fcntl.h>

int main(int argc, char **argv)
{
	char path[4096];

	if (argc < 3)
		cannot_tell("no folder given");
	for (int i = 2; i < argc; i++) {
		snprintf(path, sizeof path, "%s/left", argv[i]);
		if (!strcmp(argv[1], "leave"))
			close(open(path, O_WRONLY | O_CREAT, 0644));
		else if (open(path, O_RDONLY) >= 0)
			succeeded("%s was left here", path);
	}
	refused("open");
}
