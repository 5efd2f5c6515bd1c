/* What a small service does: names, time, files, signals. */
#define _GNU_SOURCE
#include <dirent.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t rung;

static void ring(int s) { rung = s; }

int main(void)
{
	struct addrinfo *found;
	struct stat st;
	struct timespec now, moment = {0, 1000};
	signal(SIGUSR1, ring);
	raise(SIGUSR1);
	if (getaddrinfo("127.0.0.1", "80", NULL, &found) != 0 || found == NULL)
		return 1;
	FILE *f = fopen("/tmp/new", "w");
	if (f == NULL || fputs("text\n", f) < 0 || fclose(f) != 0)
		return 2;
	if (rename("/tmp/new", "/tmp/text") != 0 || stat("/tmp/text", &st) != 0 || st.st_size != 5)
		return 3;
	DIR *d = opendir("/tmp");
	if (d == NULL || readdir(d) == NULL || closedir(d) != 0 || unlink("/tmp/text") != 0)
		return 4;
	if (clock_gettime(CLOCK_REALTIME, &now) != 0 || nanosleep(&moment, NULL) != 0)
		return 5;
	if (!rung)
		return 6;
	puts("passed");
	return 0;
}
