package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
)

// slirpVerb makes this program run a command in a network that slirp4netns
// connects: WORK INNER OUTER COMMAND…, where the port OUTER of loopback leads to
// INNER unless it is 0.
const slirpVerb = "slirp"

func slirpMain(args []string) error {
	if len(args) < 4 {
		return errors.New("usage: slirp WORK INNER OUTER COMMAND ARG…")
	}
	inner, err1 := strconv.Atoi(args[1])
	outer, err2 := strconv.Atoi(args[2])
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	wait, begin, err := os.Pipe()
	if err != nil {
		return err
	}
	// The command waits in its namespaces until they are connected.
	cmd := exec.Command("sh", append([]string{"-c", `read -r go <&3 && exec 3<&- "$@"`, "sh"}, args[3:]...)...)
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = os.Stdout, os.Stderr, []*os.File{wait}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("making namespaces: %w", err)
	}
	wait.Close()
	slirp, err := connect(args[0], cmd.Process.Pid, inner, outer)
	if err == nil {
		_, err = begin.WriteString("go\n")
	}
	// Without the word the command ends by itself.
	begin.Close()
	err = errors.Join(err, cmd.Wait())
	if slirp != nil {
		err = errors.Join(err, slirp.Process.Kill())
		_ = slirp.Wait() // it was killed
	}
	return err
}

// connect starts slirp4netns for a process.
func connect(work string, pid, inner, outer int) (*exec.Cmd, error) {
	ready, tell, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer ready.Close()
	folder, err := os.MkdirTemp(work, "slirp")
	if err != nil {
		return nil, err
	}
	socket := filepath.Join(folder, "api")
	slirp := exec.Command("slirp4netns", "--configure", "--mtu=65520", "--ready-fd=3", "--api-socket="+socket, strconv.Itoa(pid), "tap0")
	slirp.Stderr, slirp.ExtraFiles = os.Stderr, []*os.File{tell}
	slirp.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	err = slirp.Start()
	tell.Close()
	if err != nil {
		return nil, err
	}
	if _, err := ready.Read(make([]byte, 1)); err != nil {
		return slirp, fmt.Errorf("waiting for slirp4netns: %w", err)
	}
	if outer == 0 {
		return slirp, nil
	}
	return slirp, forward(socket, inner, outer)
}

// forward asks slirp4netns to publish a port, as its manual says.
func forward(socket string, inner, outer int) error {
	c, err := net.Dial("unix", socket)
	if err != nil {
		return err
	}
	defer c.Close()
	request := map[string]any{"execute": "add_hostfwd", "arguments": map[string]any{
		"proto": "tcp", "host_addr": "127.0.0.1", "host_port": outer, "guest_port": inner,
	}}
	if err := json.NewEncoder(c).Encode(request); err != nil {
		return err
	}
	if err := c.(*net.UnixConn).CloseWrite(); err != nil {
		return err
	}
	var reply struct {
		Error json.RawMessage `json:"error"`
	}
	if err := json.NewDecoder(c).Decode(&reply); err != nil {
		return fmt.Errorf("publishing a port: %w", err)
	}
	if reply.Error != nil {
		return fmt.Errorf("publishing a port: %s", reply.Error)
	}
	return nil
}
