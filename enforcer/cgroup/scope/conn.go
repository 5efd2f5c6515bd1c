package scope

import (
	"context"
	"errors"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
)

// patience is how long systemd may take for each answer: the time that D-Bus
// gives a method call (dbus-protocol.h, DBUS_DEFAULT_TIMEOUT).
const patience = 25 * time.Second

// Conn is a connection to a manager. It is to be closed.
type Conn struct {
	bus     *dbus.Conn
	signals chan *dbus.Signal
	// proc and tree are where those file systems are mounted.
	proc, tree string
}

// privateSocket is how the path of systemd's own socket ends. Who connects to
// it talks to systemd and not to a message bus, which saves a process in
// between and a package that is not installed everywhere.
const privateSocket = "/systemd/private"

// Connect connects to the manager at the first of the D-Bus addresses where
// there is one. Errors are of type [*Error].
func Connect(ctx context.Context, addresses []string) (*Conn, error) {
	const doing = "connecting to systemd"
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	errs := errors.New("no address")
	for i, address := range addresses {
		c, err := connect(ctx, address)
		if err == nil {
			return c, nil
		}
		if i == 0 {
			errs = err // the others are for where this one is missing
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, failure(ctx, doing, errs)
}

func connect(ctx context.Context, address string) (*Conn, error) {
	socket, err := unixSocket(address)
	if err != nil {
		return nil, err
	}
	var dialer net.Dialer
	stream, err := dialer.DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, err
	}
	// Of what follows not all takes a context: its end closes the connection.
	stop := context.AfterFunc(ctx, func() { stream.Close() })
	defer stop()
	bus, err := dbus.NewConn(stream)
	if err != nil {
		return nil, errors.Join(err, stream.Close())
	}
	c := &Conn{bus: bus, signals: make(chan *dbus.Signal, 64), proc: "/proc", tree: "/sys/fs/cgroup"}
	bus.Signal(c.signals)
	if err := c.introduce(ctx, strings.HasSuffix(socket, privateSocket)); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// introduce says who the caller is, and asks a bus for the signals that a
// manager sends of its own accord to whom it is connected to.
func (c *Conn) introduce(ctx context.Context, private bool) error {
	err := c.bus.Auth([]dbus.Auth{dbus.AuthExternal(strconv.Itoa(os.Getuid()))})
	if err != nil || private {
		return err
	}
	bus := c.bus.BusObject()
	if err := bus.CallWithContext(ctx, "org.freedesktop.DBus.Hello", 0).Err; err != nil {
		return err
	}
	return bus.CallWithContext(ctx, "org.freedesktop.DBus.AddMatch", 0, jobRemovedRule).Err
}

// unixSocket returns what a D-Bus address names, in the form of package net.
func unixSocket(address string) (string, error) {
	// The first of several that are given as one.
	address, _, _ = strings.Cut(address, ";")
	parameters, ok := strings.CutPrefix(address, "unix:")
	if !ok {
		return "", errors.New("the address " + strconv.Quote(address) + " is of no Unix socket")
	}
	for parameter := range strings.SplitSeq(parameters, ",") {
		key, value, _ := strings.Cut(parameter, "=")
		value, err := dbus.UnescapeBusAddressValue(value)
		switch {
		case err != nil:
			return "", err
		case key == "path":
			return value, nil
		case key == "abstract":
			return "@" + value, nil
		}
	}
	return "", errors.New("the address " + strconv.Quote(address) + " names no socket")
}

// Close ends the connection. Scopes stay.
func (c *Conn) Close() error { return c.bus.Close() }
