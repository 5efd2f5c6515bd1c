package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/filter/bpf"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/manifest/vulnerabilities"
)

// share counts the allowed calls that the kernel does not even run the filter
// for: of which it has seen, as it loaded the filter, that the number decides
// (Linux 5.11); and the known CVEs that are left open, of lpm's table. Nothing is
// measured for it.
func (b *bench) share(ctx context.Context) error {
	docker, file, err := b.dockerFilter()
	if err != nil {
		return err
	}
	program, err := readProgram(file)
	if err != nil {
		return err
	}
	if err := docker.agrees(vulnerabilities.Docker(runtime.GOARCH).Manifest); err != nil {
		return err
	}
	t := &table{title: "Allowed calls that the kernel lets through by its bitmap, without running the filter"}
	t.row("", "share", "by the bitmap", "by the filter", "by the supervisor", "instructions", fmt.Sprintf("CVEs open of %d", len(vulnerabilities.Known())))
	for _, image := range []string{"redis", "nginx", "python3"} {
		err := b.shareOf(ctx, t, image)
		var unavailable *unavailableError
		if errors.As(err, &unavailable) {
			fmt.Printf("Not counted: %s: %v\n", image, err)
		} else if err != nil {
			return err
		}
	}
	countShare(t, "Docker's default", program, docker.numbers, 0, len(vulnerabilities.Docker(runtime.GOARCH).Open()))
	return t.print()
}

// shareOf counts the calls of what lpm proposes for an image.
func (b *bench) shareOf(ctx context.Context, t *table, image string) error {
	m, err := b.propose(ctx, image)
	if err != nil {
		return err
	}
	l, err := b.approve(ctx, image, image, unbounded(m))
	if err != nil {
		return err
	}
	if err := l.anyway(ctx); err != nil {
		return err
	}
	p, err := l.plan(ctx)
	if err != nil {
		return err
	}
	program, err := compile(p.Filters)
	if err != nil {
		return err
	}
	granted := map[string]bool{}
	for _, s := range m.Syscalls.Allow {
		granted[s.Name] = true
	}
	var numbers []int
	for _, r := range p.Filters[len(p.Filters)-1].Rules {
		if r.Action == plan.ActionAllow && (len(numbers) == 0 || numbers[len(numbers)-1] != r.Number) {
			numbers = append(numbers, r.Number)
			delete(granted, r.Syscall)
		}
	}
	// What no filter allows, the supervisor is asked about each time.
	countShare(t, image+"'s proposal", program, numbers, len(granted), len(vulnerabilities.Open(&m)))
	return nil
}

func countShare(t *table, name string, p bpf.Program, numbers []int, asked, open int) {
	served := 0
	for _, n := range numbers {
		r := p.Run(bpf.Data{Number: int32(n), Arch: native()})
		if r.Cacheable && r.Return == unix.SECCOMP_RET_ALLOW {
			served++
		}
	}
	all := len(numbers) + asked
	t.row(name, fmt.Sprintf("%.0f %%", 100*float64(served)/float64(all)),
		strconv.Itoa(served), strconv.Itoa(len(numbers)-served), strconv.Itoa(asked), strconv.Itoa(len(p)), strconv.Itoa(open))
}
