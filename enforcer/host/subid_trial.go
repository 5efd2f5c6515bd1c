package host

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
)

// tryRange maps the caller's subordinate ids in a new user namespace with
// newuidmap and newgidmap. nil means that it works.
func (m machine) tryRange(ctx context.Context) error {
	uids, gids, err := m.ranges()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// The child waits in its namespace until its input ends, which it also
	// does if this process is killed.
	child := exec.CommandContext(ctx, "/bin/sh", "-c", "read line")
	child.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER}
	input, err := child.StdinPipe()
	if err != nil {
		return err
	}
	if err := child.Start(); err != nil {
		return fmt.Errorf("making a user namespace: %w", err)
	}
	defer func() { _ = child.Wait() }()
	defer input.Close()
	for _, mapping := range []struct {
		tool  string
		own   uint32
		first uint32
	}{{"newuidmap", m.uid, uids[0].Host}, {"newgidmap", m.gid, gids[0].Host}} {
		path, err := m.mapper(mapping.tool)
		if err != nil {
			return err
		}
		out, err := exec.CommandContext(ctx, path, fmt.Sprint(child.Process.Pid),
			"0", fmt.Sprint(mapping.own), "1", "1", fmt.Sprint(mapping.first), "1").CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s: %w: %q", mapping.tool, err, firstLine(out))
		}
	}
	return nil
}

func firstLine(out []byte) string {
	line, _, _ := strings.Cut(string(out), "\n")
	return line
}

func (m machine) findSubordinate(ctx context.Context) Finding {
	f := Finding{Name: "subordinate-ids", Use: "images that switch users (identity: range)"}
	for _, tool := range []string{"newuidmap", "newgidmap"} {
		path, err := m.mapper(tool)
		if err != nil {
			return f.settle(false, err)
		}
		if path == "" {
			f.Detail, f.Hint = tool+" is not installed, or without the right to map ids", "sudo apt-get install uidmap"
			return f.settle(false, nil)
		}
	}
	uids, gids, err := m.ranges()
	if err != nil {
		return f.settle(false, err)
	}
	if len(uids) == 0 || len(gids) == 0 {
		f.Detail = "no range in /etc/subuid and /etc/subgid"
		f.Hint, err = m.addRange()
		return f.settle(false, err)
	}
	f.Detail = fmt.Sprintf("%d user ids from %d, %d group ids from %d",
		uids[0].Size, uids[0].Host, gids[0].Size, gids[0].Host)
	if err := m.tryRange(ctx); err != nil {
		return f.settle(false, fmt.Errorf("mapping them: %w", err))
	}
	return f.settle(true, nil)
}

// addRange returns the command that gives the caller a range that no line of
// the two files has.
func (m machine) addRange() (string, error) {
	const usual, size = 100000, 65536
	names, err := m.names()
	if err != nil {
		return "", err
	}
	first := uint64(usual)
	for _, path := range []string{"/etc/subuid", "/etc/subgid"} {
		content, err := m.read(path)
		if err != nil {
			return "", err
		}
		for line := range strings.Lines(content) {
			if _, taken, ok := parseSubordinate(line); ok {
				first = max(first, uint64(taken.Host)+uint64(taken.Size))
			}
		}
	}
	// The last name is the login name where there is one, else the number.
	return fmt.Sprintf("sudo usermod --add-subuids %d-%d --add-subgids %[1]d-%[2]d %[3]s",
		first, first+size-1, names[len(names)-1]), nil
}
