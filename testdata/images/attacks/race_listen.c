/*
 * Has another thread put another socket in the place of the one that listens,
 * between the look at it and the call: one with a port that the kernel chose.
 */
#include "attempt.h"
#include "network.h"
#include "race.h"

static int granted, chosen, place;

static void *puts_either(void *arg)
{
	for (;;) {
		dup2(chosen, place);
		dup2(granted, place);
	}
	return arg;
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = loopback(number(argc, argv, 2)), any = loopback(0);
	int listens = 0;
	socklen_t size = sizeof listens;

	granted = socket(AF_INET, SOCK_STREAM, 0), chosen = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(granted, (struct sockaddr *)&at, sizeof at) || bind(chosen, (struct sockaddr *)&any, sizeof any))
		cannot_tell("the granted port is not to be had: %s", strerrorname_np(errno));
	/* The first try is at the other. */
	place = dup(chosen);
	begin(puts_either, NULL);
	for (int i = 0; i < 3000; i++)
		if (listen(place, 1) == 0 && getsockopt(chosen, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens)
			succeeded("another port is listened on, by the %d. try", i + 1);
	refused("listen");
}
