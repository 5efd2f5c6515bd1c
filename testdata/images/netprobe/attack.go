package main

import (
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// An attack tries to reach an address that is not granted, or to have of the
// host's network what is not the container's. It returns nil where every call
// that it needs was let through, which for packets tells nothing: see whether
// they arrived.
type attack func(o options, to netip.AddrPort) error

func attacks() map[string]attack {
	all := map[string]attack{}
	for _, group := range []map[string]attack{
		handedAttacks(), optionAttacks(), raceAttacks(), packetAttacks(), netlinkAttacks(), socketAttacks(), floodAttacks(),
		addressAttacks(), nameAttacks(), listenAttacks(), unixAttacks(), lookAttacks(),
	} {
		maps.Copy(all, group)
	}
	return all
}

// table says of each attack what it is: see there.
//
//go:embed attacks.txt
var table string

// complete reports by an error where the table and the attacks are not the same. It
// has none of those that only show that others are good, or are a part of others.
func complete(all map[string]attack) error {
	left := maps.Clone(all)
	delete(left, "packet-plain")
	delete(left, "handed-received")
	for line := range strings.Lines(table) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		name, _, _ := strings.Cut(line, " | ")
		if all[name] == nil {
			return fmt.Errorf("attacks.txt has %q, which is no attack", name)
		}
		delete(left, name)
	}
	if len(left) > 0 {
		return fmt.Errorf("attacks.txt has no %q", slices.Sorted(maps.Keys(left)))
	}
	return nil
}

func attackNames() string { return strings.Join(slices.Sorted(maps.Keys(attacks())), ", ") }

func runAttack(o options, args []string) error {
	all := attacks()
	if err := complete(all); err != nil {
		return err
	}
	run, ok := all[args[0]]
	if !ok {
		return fmt.Errorf("no attack %q: there are %s", args[0], attackNames())
	}
	to, err := netip.ParseAddrPort(args[1])
	if err != nil {
		return err
	}
	if err := run(o, to); err != nil {
		return err
	}
	fmt.Println("let through")
	return nil
}

// granted is the address of -also, which the container may reach.
func (o options) granted() netip.AddrPort {
	a, _ := netip.ParseAddrPort(o.also)
	return a
}

// handed returns a socket that is connected to the granted address. Where
// connections are handed over it is one of the host's.
func (o options) handed() (int, error) {
	fd, err := o.open(unix.SOCK_STREAM, o.granted())
	if err != nil {
		return -1, err
	}
	if _, err = blocking(o, fd, o.sockaddr(o.granted())); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("the granted address is not reached: %w", err)
	}
	return fd, nil
}

// dissolved returns one that was connected before.
func (o options) dissolved() (int, error) {
	fd, err := o.handed()
	if err != nil {
		return -1, err
	}
	if err := dissolve(fd); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// arrives sends on a socket that seems to be connected, and waits for the echo.
func arrives(fd int) error {
	if _, err := stream(fd).Write([]byte("attack")); err != nil {
		return err
	}
	if _, err := stream(fd).Read(make([]byte, 16)); err != nil {
		return err
	}
	return nil
}

// each makes several attempts, and succeeds if one of them does. All refusals
// are told.
func each(attempts map[string]func() error) error {
	var all []error
	for _, name := range slices.Sorted(maps.Keys(attempts)) {
		err := attempts[name]()
		if err == nil {
			fmt.Printf("%s: let through\n", name)
			return nil
		}
		all = append(all, fmt.Errorf("%s: %s", name, describe(err)))
	}
	return errors.Join(all...)
}
