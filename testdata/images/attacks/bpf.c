/*
 * Loads an eBPF program, whose verifier has been the way into the kernel many
 * times (CVE-2021-3490, CVE-2023-2163).
 */
#include "attempt.h"
#include <linux/bpf.h>

int main(void)
{
	struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_SOCKET_FILTER,
		.insns = (unsigned long)insns,
		.insn_cnt = sizeof insns / sizeof insns[0],
		.license = (unsigned long)"GPL",
	};
	int fd = syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof attr);

	if (fd < 0)
		refused("bpf");
	succeeded("the kernel runs a program of ours");
}
