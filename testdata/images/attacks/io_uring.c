/*
 * Opens a folder by io_uring, whose work no seccomp filter sees
 * (io_uring(7); CVE-2022-2602, CVE-2023-2598).
 */
#include "attempt.h"
#include <linux/io_uring.h>

int main(void)
{
	struct io_uring_params p = { 0 };
	int ring = syscall(SYS_io_uring_setup, 1, &p);
	char *rings;
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqe;

	if (ring < 0)
		refused("io_uring_setup");
	rings = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
	sqe = mmap(NULL, sizeof *sqe, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);
	if (rings == MAP_FAILED || sqe == MAP_FAILED)
		refused("mmap");
	*sqe = (struct io_uring_sqe){
		.opcode = IORING_OP_OPENAT,
		.fd = AT_FDCWD,
		.addr = (unsigned long)"/",
		.open_flags = O_RDONLY | O_DIRECTORY,
	};
	*(unsigned *)(rings + p.sq_off.array) = 0;
	__atomic_add_fetch((unsigned *)(rings + p.sq_off.tail), 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) != 1)
		refused("io_uring_enter");
	/* Both rings are in one mapping since Linux 5.4. */
	cqe = (struct io_uring_cqe *)(rings + p.cq_off.cqes);
	if (cqe->res < 0) {
		errno = -cqe->res;
		refused("IORING_OP_OPENAT");
	}
	succeeded("the ring opened descriptor %d", cqe->res);
}
