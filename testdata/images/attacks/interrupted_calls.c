/*
 * Has signals interrupt calls that the supervisor looks at, which begin anew
 * then (signal(7), seccomp_unotify(2), "interaction with SA_RESTART").
 */
#include "attempt.h"
#include "network.h"
#include "race.h"
#include <sys/time.h>

static void interrupt(int signal) { (void)signal; }

int main(int argc, char **argv)
{
	int port = number(argc, argv, 1), met = 0;
	struct sockaddr_in to = loopback(port);
	struct itimerval soon = { { 0, 50 }, { 0, 50 } };

	for (int restart = 0; restart < 2; restart++) {
		struct sigaction action = { .sa_handler = interrupt, .sa_flags = restart ? SA_RESTART : 0 };

		sigaction(SIGALRM, &action, NULL);
		setitimer(ITIMER_REAL, &soon, NULL);
		for (int i = 0; i < 1000; i++) {
			int s = socket(AF_INET, SOCK_STREAM, 0);

			if (s >= 0 && connect(s, (struct sockaddr *)&to, sizeof to) == 0 && reaches(s, port))
				succeeded("port %d, by the %d. try", port, i + 1);
			if (s >= 0 && errno != EINTR)
				met = errno;
			close(s);
		}
	}
	errno = met;
	refused("connect");
}
