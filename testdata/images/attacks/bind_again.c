/*
 * Binds a socket after it has been let through with a port that is granted or
 * that the kernel chose: once it is disconnected it can be bound anew
 * (connect(2), AF_UNSPEC).
 */
#include "attempt.h"
#include "network.h"

int main(int argc, char **argv)
{
	int other = number(argc, argv, 1), granted = number(argc, argv, 2), server, s, met = 0;
	struct sockaddr nothing = { .sa_family = AF_UNSPEC };
	struct sockaddr_in at = loopback(granted), wanted = loopback(other);

	server = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(server, (struct sockaddr *)&at, sizeof at) || listen(server, 4))
		cannot_tell("the granted port is not to be had: %s", strerrorname_np(errno));
	for (int bound = 0; bound < 2; bound++) {
		struct sockaddr_in any = loopback(0);

		s = socket(AF_INET, SOCK_STREAM, 0);
		if (bound && bind(s, (struct sockaddr *)&any, sizeof any))
			cannot_tell("no port is to be had");
		if (connect(s, (struct sockaddr *)&at, sizeof at))
			cannot_tell("the granted port is not reached");
		if (connect(s, &nothing, sizeof nothing) == 0 && bind(s, (struct sockaddr *)&wanted, sizeof wanted) == 0 && listen(s, 1) == 0)
			succeeded("port %d is listened on", other);
		met = errno;
	}
	errno = met;
	refused("bind");
}
