/*
 * Listens on a port that the kernel keeps for the privileged (ip(7),
 * ip_unprivileged_port_start).
 */
#include "attempt.h"
#include "network.h"

int main(void)
{
	struct sockaddr_in at = loopback(80);
	int s = socket(AF_INET, SOCK_STREAM, 0);

	if (bind(s, (struct sockaddr *)&at, sizeof at) < 0)
		refused("bind");
	if (listen(s, 1) < 0)
		refused("listen");
	succeeded("port 80");
}
