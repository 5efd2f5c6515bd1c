/*
 * Has another thread change the port between the look at an address and the
 * connection (seccomp_unotify(2)).
 */
#include "attempt.h"
#include "network.h"
#include "race.h"

int main(int argc, char **argv)
{
	int port = number(argc, argv, 1);
	struct sockaddr_in to = loopback(port), other = to, granted = loopback(number(argc, argv, 2));
	struct swap race = { .place = (char *)&to.sin_port, .granted = &granted.sin_port, .other = &other.sin_port, .size = 2 };

	begin(swaps, &race);
	for (int i = 0; i < 3000; i++) {
		int s = socket(AF_INET, SOCK_STREAM, 0);

		if (connect(s, (struct sockaddr *)&to, sizeof to) == 0 && reaches(s, port))
			succeeded("port %d, by the %d. try", port, i + 1);
		close(s);
	}
	refused("connect");
}
