/*
 * Connects to the granted port, gives the connection up by an address of no
 * family, and connects the same socket to another port (connect(2)).
 */
#include "attempt.h"
#include "network.h"

int main(int argc, char **argv)
{
	int other = number(argc, argv, 1), granted = number(argc, argv, 2), s = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in first = loopback(granted), second = loopback(other);
	struct sockaddr nothing = { .sa_family = AF_UNSPEC };

	if (connect(s, (struct sockaddr *)&first, sizeof first) || !reaches(s, granted))
		cannot_tell("the granted port is not reached: %s", strerrorname_np(errno));
	if (connect(s, &nothing, sizeof nothing))
		refused("disconnect");
	if (connect(s, (struct sockaddr *)&second, sizeof second) == 0 && reaches(s, other))
		succeeded("port %d", other);
	refused("connect");
}
