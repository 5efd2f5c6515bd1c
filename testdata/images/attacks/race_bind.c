/*
 * Has another thread change the port between the look at an address and the
 * binding (seccomp_unotify(2)).
 */
#include "attempt.h"
#include "network.h"
#include "race.h"

int main(int argc, char **argv)
{
	int port = number(argc, argv, 1);
	struct sockaddr_in at = loopback(port), other = at, granted = loopback(number(argc, argv, 2)), is;
	struct swap race = { .place = (char *)&at.sin_port, .granted = &granted.sin_port, .other = &other.sin_port, .size = 2 };

	begin(swaps, &race);
	for (int i = 0; i < 3000; i++) {
		int s = socket(AF_INET, SOCK_STREAM, 0);
		socklen_t size = sizeof is;

		if (bind(s, (struct sockaddr *)&at, sizeof at) == 0 && getsockname(s, (struct sockaddr *)&is, &size) == 0 &&
		    is.sin_port == other.sin_port && listen(s, 1) == 0)
			succeeded("port %d, by the %d. try", port, i + 1);
		close(s);
	}
	refused("bind");
}
