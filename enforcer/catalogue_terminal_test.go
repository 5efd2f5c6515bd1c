package enforcer_test

import (
	"testing"

	"github.com/least-privilege/lpm/enforcer/container"
	"github.com/least-privilege/lpm/manifest"
)

// terminalAttacks are done to terminals, by one of the container's own, and to
// the one that lpm writes to.
func terminalAttacks() []attack {
	terminals := device("/dev/ptmx")
	return []attack{
		{
			name: "terminal_input", source: "CVE-2017-5226, CVE-2019-10063", tries: "types into its terminal (TIOCSTI)",
			base: terminals, plain: "SUCCEEDED", unless: sysctl("dev/tty/legacy_tiocsti", 1, 1),
		},
		{
			name: "terminal_paste", source: "CVE-2023-28100", tries: "has its terminal paste what is on it (TIOCLINUX)",
			base: terminals, plain: "SUCCEEDED",
		},
		{
			name: "terminal_discipline", source: "CVE-2017-2636, CVE-2023-6546, CVE-2020-14416", tries: "gives its terminal another line discipline (TIOCSETD)",
			base: terminals, grant: command("TIOCSETD"), plain: "SUCCEEDED",
		},
		{
			name: "terminal_console", source: "ioctl_console(2), TIOCCONS", tries: "has what is written to the console come to its terminal",
			base: terminals, grant: capability("CAP_SYS_ADMIN"), never: hostsOwn,
		},
		{
			name: "terminal_steal", source: "ioctl_tty(2), TIOCSCTTY", tries: "takes a terminal away from the session that has it",
			base: terminals, grant: capability("CAP_SYS_ADMIN"), never: hostsOwn, plain: "SUCCEEDED", unless: notRoot,
		},
		{
			name: "vhangup", source: "vhangup(2)", tries: "hangs a terminal up",
			base: terminals, grant: both(calls("vhangup"), capability("CAP_SYS_TTY_CONFIG")), never: hostsOwn,
		},
		{
			name: "terminal_host", source: "pts(4), vcs(4)", tries: "opens a terminal of the host",
			base: terminals, setup: hostTerminal, plain: "SUCCEEDED",
		},
		{
			name: "terminal_commands", source: "CVE-2003-0063, CVE-2021-25743, CVE-2021-42574, CVE-2023-28101", tries: "has lpm tell of names that are commands to a terminal",
			grant: program(otherProgram),
		},
	}
}

// command grants an ioctl by its name.
func command(name string) func(m *manifest.Manifest) {
	return func(m *manifest.Manifest) {
		when := []manifest.Condition{{Arg: 1, OneOf: []string{name}}}
		m.Syscalls.Allow = append(m.Syscalls.Allow, manifest.Syscall{Name: "ioctl", When: when})
	}
}

// hostTerminal is one of the caller's, whose path the attempt is given.
func hostTerminal(t *testing.T, _ *lab) ([]string, func(outcome) bool) {
	tty, err := container.OpenTerminal()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tty.Close() })
	return []string{tty.Path}, nil
}
