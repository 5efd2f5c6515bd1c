package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	libseccomp "github.com/seccomp/libseccomp-golang"
	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/manifest"
)

// docker is Docker's default profile for this machine.
type docker struct {
	profile *specs.LinuxSeccomp
	// numbers are the calls that it allows, at least with some arguments.
	numbers []int
}

// dockerFile is the form in which the profile is kept: rules that apply or not
// by the machine and the container, and names of architectures for each.
type dockerFile struct {
	specs.LinuxSeccomp
	ArchMap []struct {
		Architecture     specs.Arch   `json:"architecture"`
		SubArchitectures []specs.Arch `json:"subArchitectures"`
	} `json:"archMap"`
	Syscalls []struct {
		specs.LinuxSyscall
		Includes, Excludes dockerCases
	} `json:"syscalls"`
}

type dockerCases struct {
	Arches, Caps []string
	MinKernel    string
}

// readDocker reads the profile for a container with the capabilities that
// Docker gives by default.
func readDocker(file string) (*docker, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var f dockerFile
	if err := json.Unmarshal(text, &f); err != nil {
		return nil, fmt.Errorf("reading Docker's default profile: %w", err)
	}
	d := &docker{profile: &f.LinuxSeccomp}
	for _, a := range f.ArchMap {
		if archNames()[a.Architecture] == runtime.GOARCH {
			d.profile.Architectures = append([]specs.Arch{a.Architecture}, a.SubArchitectures...)
		}
	}
	for _, rule := range f.Syscalls {
		included, err := rule.Includes.apply(true)
		if err != nil {
			return nil, err
		}
		excluded, err := rule.Excludes.apply(false)
		if err != nil {
			return nil, err
		}
		if !included || excluded {
			continue
		}
		d.profile.Syscalls = append(d.profile.Syscalls, rule.LinuxSyscall)
		for _, name := range rule.Names {
			n, known := number(name)
			if known && n >= 0 && rule.Action == specs.ActAllow && !slices.Contains(d.numbers, n) {
				d.numbers = append(d.numbers, n)
			}
		}
	}
	return d, nil
}

// agrees holds the table of what Docker allows, by which its open CVEs are
// counted, to the profile. libseccomp does not know the newest calls.
func (d *docker) agrees(m *manifest.Manifest) error {
	for _, call := range m.Syscalls.Allow {
		n, known := number(call.Name)
		if known && n >= 0 && !slices.Contains(d.numbers, n) {
			return fmt.Errorf("lpm's table says that Docker's default allows %s, and the profile does not", call.Name)
		}
	}
	for _, n := range d.numbers {
		info, known := manifest.SyscallByNumber(runtime.GOARCH, n)
		if known && !m.Syscalls.Allows(info.Name) {
			return fmt.Errorf("lpm's table says that Docker's default does not allow %s, and the profile does", info.Name)
		}
	}
	return nil
}

// apply reports whether all of the cases are given here, or any of them. all is
// also what a list without cases comes to.
func (c dockerCases) apply(all bool) (bool, error) {
	var given []bool
	if len(c.Arches) > 0 {
		given = append(given, slices.Contains(c.Arches, runtime.GOARCH))
	}
	for _, name := range c.Caps {
		given = append(given, slices.Contains(dockerCapabilities(), name))
	}
	if c.MinKernel != "" {
		newer, err := kernelHas(c.MinKernel)
		if err != nil {
			return false, err
		}
		given = append(given, newer)
	}
	return all && !slices.Contains(given, false) || !all && slices.Contains(given, true), nil
}

// kernelHas reports whether the kernel is of a release ("4.8") or a later one.
func kernelHas(release string) (bool, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return false, err
	}
	var have, want [2]int
	for text, v := range map[string]*[2]int{unix.ByteSliceToString(u.Release[:]): &have, release: &want} {
		if _, err := fmt.Sscanf(text, "%d.%d", &v[0], &v[1]); err != nil {
			return false, fmt.Errorf("kernel release %q: %w", text, err)
		}
	}
	return slices.Compare(have[:], want[:]) >= 0, nil
}

// dockerCapabilities are what Docker gives a container by default.
func dockerCapabilities() []string {
	return []string{
		"CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_MKNOD",
		"CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT",
	}
}

// dockerFilter returns the profile, and a file with the filter that it makes.
func (b *bench) dockerFilter() (*docker, string, error) {
	d, err := readDocker(b.docker)
	if err != nil {
		return nil, "", err
	}
	file := filepath.Join(b.work, "docker.bpf")
	return d, file, d.write(file)
}

// number returns a native call's number. Numbers below zero are libseccomp's
// own, of calls that this architecture does not have.
func number(name string) (int, bool) {
	n, err := libseccomp.GetSyscallFromName(name)
	return int(n), err == nil
}

// write has libseccomp compile the profile to a file, with the calls that runc
// makes: a comparison for each rule, in their order, for every architecture of
// the profile.
func (d *docker) write(file string) error {
	byDefault, err := actionOf(d.profile.DefaultAction, d.profile.DefaultErrnoRet)
	if err != nil {
		return err
	}
	filter, err := libseccomp.NewFilter(byDefault)
	if err != nil {
		return err
	}
	defer filter.Release()
	for _, a := range d.profile.Architectures {
		arch, err := libseccomp.GetArchFromString(archNames()[a])
		if err != nil {
			return fmt.Errorf("architecture %s: %w", a, err)
		}
		if err := filter.AddArch(arch); err != nil {
			return err
		}
	}
	for _, rule := range d.profile.Syscalls {
		if err := add(filter, rule); err != nil {
			return fmt.Errorf("rule for %v: %w", rule.Names, err)
		}
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	return errors.Join(filter.ExportBPF(f), f.Close())
}

func add(filter *libseccomp.ScmpFilter, rule specs.LinuxSyscall) error {
	action, err := actionOf(rule.Action, rule.ErrnoRet)
	if err != nil {
		return err
	}
	var conditions []libseccomp.ScmpCondition
	for _, arg := range rule.Args {
		op, ok := operators()[arg.Op]
		if !ok {
			return fmt.Errorf("unknown comparison %s", arg.Op)
		}
		c, err := libseccomp.MakeCondition(arg.Index, op, arg.Value, arg.ValueTwo)
		if err != nil {
			return err
		}
		conditions = append(conditions, c)
	}
	for _, name := range rule.Names {
		call, err := libseccomp.GetSyscallFromName(name)
		if err != nil {
			continue // newer than libseccomp: runc leaves those out too
		}
		if err := filter.AddRuleConditional(call, action, conditions); err != nil {
			return err
		}
	}
	return nil
}

func actionOf(a specs.LinuxSeccompAction, errno *uint) (libseccomp.ScmpAction, error) {
	switch a {
	case specs.ActAllow:
		return libseccomp.ActAllow, nil
	case specs.ActErrno:
		const eperm = 1
		code := uint(eperm)
		if errno != nil {
			code = *errno
		}
		return libseccomp.ActErrno.SetReturnCode(int16(code)), nil
	}
	return libseccomp.ActInvalid, fmt.Errorf("unknown action %s", a)
}

func operators() map[specs.LinuxSeccompOperator]libseccomp.ScmpCompareOp {
	return map[specs.LinuxSeccompOperator]libseccomp.ScmpCompareOp{
		specs.OpNotEqual:     libseccomp.CompareNotEqual,
		specs.OpLessThan:     libseccomp.CompareLess,
		specs.OpLessEqual:    libseccomp.CompareLessOrEqual,
		specs.OpEqualTo:      libseccomp.CompareEqual,
		specs.OpGreaterEqual: libseccomp.CompareGreaterEqual,
		specs.OpGreaterThan:  libseccomp.CompareGreater,
		specs.OpMaskedEqual:  libseccomp.CompareMaskedEqual,
	}
}

// archNames are libseccomp's names of the architectures that a profile has on
// the machines that lpm is for.
func archNames() map[specs.Arch]string {
	return map[specs.Arch]string{
		specs.ArchX86: "x86", specs.ArchX86_64: "amd64", specs.ArchX32: "x32",
		specs.ArchARM: "arm", specs.ArchAARCH64: "arm64",
	}
}
