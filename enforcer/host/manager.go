package host

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/plan"
)

// manager returns the systemd that makes scopes for the caller, and nothing
// where there is none, or none that has a controller for its scopes. No one is
// asked: a manager that runs has a group, and sockets to be found at.
func (m machine) manager() (plan.Manager, error) {
	group, sockets := m.managerPlaces()
	list, err := m.read(path.Join(group, "cgroup.controllers"))
	controllers := usableOf(list)
	if err != nil || len(controllers) == 0 {
		return plan.Manager{}, err
	}
	var addresses []string
	for _, socket := range sockets {
		if unix.Access(m.file(socket), unix.W_OK) == nil {
			addresses = append(addresses, busAddress(socket))
		}
	}
	if m.uid != 0 && strings.HasPrefix(m.bus, "unix:") && !slices.Contains(addresses, m.bus) {
		addresses = append(addresses, m.bus)
	}
	if len(addresses) == 0 {
		return plan.Manager{}, nil
	}
	return plan.Manager{Addresses: addresses, Controllers: controllers}, nil
}

// managerPlaces returns the manager's cgroup, below which its scopes are, and
// the sockets that it can have: its own ones first, then message buses.
func (m machine) managerPlaces() (group string, sockets []string) {
	if m.uid == 0 {
		return usualMount, []string{"/run/systemd/private", "/run/dbus/system_bus_socket"}
	}
	uid := strconv.FormatUint(uint64(m.uid), 10)
	runtimes := []string{"/run/user/" + uid}
	if m.runtime != "" && m.runtime != runtimes[0] {
		runtimes = append([]string{m.runtime}, runtimes...)
	}
	for _, socket := range []string{"systemd/private", "bus"} {
		for _, dir := range runtimes {
			sockets = append(sockets, path.Join(dir, socket))
		}
	}
	return path.Join(usualMount, "user.slice", "user-"+uid+".slice", "user@"+uid+".service"), sockets
}

// busAddress returns the D-Bus address of a socket; see the D-Bus
// Specification, Server Addresses.
func busAddress(socket string) string {
	var b strings.Builder
	b.WriteString("unix:path=")
	for _, c := range []byte(socket) {
		plain := c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
		if plain || strings.IndexByte("-_/.\\*", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		fmt.Fprintf(&b, "%%%02x", c)
	}
	return b.String()
}
