package networktest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// furnish puts files of the world's own in the place of the machine's. They are
// in a file system of the namespace, at the folder, since only there an
// ordinary user's namespace can have a program that belongs to root in it.
func furnish(folder string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("keeping mounts apart: %w", err)
	}
	if err := unix.Mount("tmpfs", folder, "tmpfs", 0, "mode=755,size=4m"); err != nil {
		return fmt.Errorf("mounting a folder: %w", err)
	}
	for path, content := range map[string]string{"/etc/resolv.conf": resolvConf, "/etc/hosts": hosts} {
		if err := replace(folder, path, []byte(content), 0o644); err != nil {
			return err
		}
	}
	if os.Geteuid() == 0 {
		return nil
	}
	return delegate(folder)
}

// delegate lets the user map the subordinate ids that the world has: those of
// outside but the first. Where it has none, neither does he.
func delegate(folder string) error {
	for _, file := range rangeFiles() {
		ids, err := subordinate(file)
		if err != nil {
			return err
		}
		if ids.size < 2 {
			return nil
		}
		own, err := names()
		if err != nil {
			return err
		}
		line := fmt.Appendf(nil, "%s:%d:%d\n", own[0], ids.outside+1, ids.size-1)
		if err := replace(folder, file, line, 0o644); err != nil {
			return err
		}
	}
	for _, tool := range []string{"newuidmap", "newgidmap"} {
		path, err := exec.LookPath(tool)
		if errors.Is(err, exec.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		program, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		// The kernel passes over the bit where the file's owner is nobody
		// here, as the machine's root is.
		if err := replace(folder, path, program, 0o755|os.ModeSetuid); err != nil {
			return err
		}
	}
	return nil
}

// replace mounts a new file, which is root's in the namespace where there is
// one, over a path.
func replace(folder, path string, content []byte, mode os.FileMode) error {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	file := filepath.Join(folder, filepath.Base(path))
	if err := os.WriteFile(file, content, 0o600); err != nil {
		return err
	}
	if mode&os.ModeSetuid != 0 {
		if err := os.Chown(file, 0, 0); err != nil {
			return err
		}
	}
	// The change of the owner takes the bit away, so that it comes first.
	if err := os.Chmod(file, mode); err != nil {
		return err
	}
	if err := unix.Mount(file, path, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("replacing %s: %w", path, err)
	}
	return nil
}
