/*
 * The three ways in which an attempt ends. Each attempt is one program, and
 * says in its first comment what it tries and whose idea that was.
 */
#ifndef ATTEMPT_H
#define ATTEMPT_H

#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/syscall.h>

/* The effect was seen, not only a call's result. */
__attribute__((noreturn, format(printf, 1, 2), unused))
static void succeeded(const char *what, ...)
{
	va_list args;

	va_start(args, what);
	printf("SUCCEEDED: ");
	vprintf(what, args);
	printf("\n");
	exit(0);
}

/* The call was refused with errno. */
__attribute__((noreturn, unused))
static void refused(const char *call)
{
	const char *name = strerrorname_np(errno);

	printf("refused: %s: %s\n", call, name ? name : "no error");
	exit(1);
}

/* Nothing was refused, and there was nothing to get either. */
__attribute__((noreturn, format(printf, 1, 2), unused))
static void cannot_tell(const char *why, ...)
{
	va_list args;

	va_start(args, why);
	printf("cannot tell: ");
	vprintf(why, args);
	printf("\n");
	exit(2);
}

#endif
