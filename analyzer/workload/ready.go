package workload

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Readiness is what a container does once it can be exercised.
type Readiness struct {
	// Network is "tcp" or "unix" for a socket that accepts connections, "http"
	// for one that answers a request with status 200.
	Network string
	// Address is a host and a port of this machine, or the path of a socket
	// in the container.
	Address string
	// Path is what is asked for by HTTP, with its query.
	Path string
}

// ParseReady reads "tcp://:6379", "unix:///run/app.sock" or
// "http://:8080/health". Without a host it is this machine, whose network the
// container has.
func ParseReady(text string) (Readiness, error) {
	u, err := url.Parse(text)
	if err != nil {
		return Readiness{}, fmt.Errorf("%q is no place where a container can be ready: %w", text, err)
	}
	bad := func(problem string) (Readiness, error) {
		return Readiness{}, fmt.Errorf("%q: %s", text, problem)
	}
	switch {
	case u.User != nil || u.Fragment != "" || u.Opaque != "":
		return bad("expected such as tcp://:6379, unix:///run/app.sock or http://:8080/health")
	case u.Scheme == "unix" && u.Host == "" && path.IsAbs(u.Path) && path.Clean(u.Path) == u.Path && u.RawQuery == "":
		return Readiness{Network: "unix", Address: u.Path}, nil
	case u.Scheme == "unix":
		return bad("a socket is named by its path in the container, as in unix:///run/app.sock")
	case u.Scheme != "tcp" && u.Scheme != "http":
		return bad("expected tcp://, unix:// or http://, or a time")
	case u.Scheme == "tcp" && (u.Path != "" || u.RawQuery != ""):
		return bad("a port has no path")
	}
	host, port := u.Hostname(), u.Port()
	if host == "" {
		host = loopback
	}
	if port == "" && u.Scheme == "http" {
		port = "80"
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return bad("a port is a number from 1 to 65535")
	}
	r := Readiness{Network: u.Scheme, Address: net.JoinHostPort(host, port)}
	if u.Scheme == "http" {
		r.Path = u.RequestURI()
	}
	return r, nil
}

// healthy is the network of what is ready when its health check has passed.
const healthy = "health"

// String returns what [ParseReady] reads.
func (r Readiness) String() string { return r.Network + "://" + r.Address + r.Path }

// readiness is the job's own, or else that the first TCP port accepts; nil
// where there is neither.
func (j Job) readiness(ports []port) *Readiness {
	if j.ReadyAt != nil {
		return j.ReadyAt
	}
	if first := firstTCP(ports); first != 0 {
		return &Readiness{Network: "tcp", Address: net.JoinHostPort(loopback, strconv.Itoa(first))}
	}
	return nil
}

// port is the TCP port of this machine that it is about, or 0.
func (r Readiness) port() int {
	host, port, err := net.SplitHostPort(r.Address)
	if r.Network == "unix" || err != nil || !net.ParseIP(host).IsLoopback() {
		return 0
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return 0
	}
	return n
}

// waitingFor names it for a person.
func (r Readiness) waitingFor() string {
	if n := r.port(); n != 0 && r.Network == "tcp" {
		return fmt.Sprintf("port %d", n)
	}
	if r.Network == healthy {
		return "the image's health check to pass"
	}
	return r.String()
}

// reached reports whether it holds. pid is a process of the container.
func (r Readiness) reached(ctx context.Context, pid int) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	switch r.Network {
	case "unix":
		return socketAccepts(ctx, pid, r.Address)
	case "http":
		return answers(ctx, "http://"+r.Address+r.Path)
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, r.Network, r.Address)
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// socketAccepts connects to a socket of a container. Its path is looked up in
// the container's root, so that no symbolic link in it leads to one of the
// host's.
func socketAccepts(ctx context.Context, pid int, name string) bool {
	root, err := unix.Open(fmt.Sprintf("/proc/%d/root", pid), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(root)
	fd, err := unix.Openat2(root, name, &unix.OpenHow{
		Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return false
	}
	socket := os.NewFile(uintptr(fd), name)
	defer socket.Close()
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", fmt.Sprintf("/proc/self/fd/%d", fd))
	if errors.Is(err, unix.EACCES) {
		// It belongs to another id of the container's range.
		return listens(pid, name)
	}
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// maxHeader bounds what is read of an answer, in bytes; its body is not read.
const maxHeader = 64 << 10

// answers reports whether an address answers with status 200 itself, without
// leading elsewhere.
func answers(ctx context.Context, address string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return false
	}
	transport := &http.Transport{MaxResponseHeaderBytes: maxHeader, DisableKeepAlives: true}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return false
	}
	response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// open reports whether a TCP port of this machine accepts a connection.
func open(ctx context.Context, number int) bool {
	return Readiness{Network: "tcp", Address: net.JoinHostPort(loopback, strconv.Itoa(number))}.reached(ctx, 0)
}
