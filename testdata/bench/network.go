package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/least-privilege/lpm/manifest"
)

// The ports of the network's comparison: servers outside, servers in
// containers, and those where these are published.
const (
	webPort        = 8080
	bulkPort       = 5201
	innerBulkPort  = 5202
	outerWebPort   = 18080
	outerBulkPort  = 15202
	toolsImage     = "network-tools"
	networkProgram = "lpm-net"
)

// A road is one way in which a container is connected to the machine.
type road struct {
	name string
	// out is the machine's address for the container.
	out string
	// in says whether its ports are published, and not just the machine's own.
	in bool
	// device says whether it takes /dev/net/tun.
	device bool
	// process has the network's work to do, if a process does.
	process string
	// run returns the command that runs a program of an image, with the port
	// published at another one of the machine where that is not 0.
	run func(image string, inner, outer int, program ...string) []string
	env []string
}

// address is where a server in a container is found.
func (r road) address(inner, outer int) string {
	port := inner
	if r.in {
		port = outer
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}

// network compares ways in which containers are connected.
func (b *bench) network(ctx context.Context) error {
	if err := errors.Join(has("iperf3"), has("wrk"), has("bwrap")); err != nil {
		return err
	}
	own, gateway, err := addresses()
	if err != nil {
		return err
	}
	trees := map[string]string{}
	for _, image := range []string{toolsImage, "nginx"} {
		if trees[image], err = b.unpack(ctx, image); err != nil {
			return err
		}
	}
	all := []road{hostRoad(trees, own), pastaRoad(trees, gateway), splicedRoad(trees), b.slirpRoad(trees)}
	private, err := b.privateRoads(ctx, trees, own)
	if err != nil {
		return err
	}
	all = slices.Insert(all, 1, private...)
	return b.withServers(ctx, trees, func(ctx context.Context) error {
		found, err := works(ctx, all)
		if err != nil {
			return err
		}
		if err := b.outward(ctx, found); err != nil {
			return err
		}
		return b.inward(ctx, found)
	})
}

// addresses returns one of the machine's own, which is not its loopback, and
// that of its default route, which some take for the machine's loopback.
func addresses() (own, gateway string, err error) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return "", "", err
	}
	for _, a := range all {
		p, err := netip.ParsePrefix(a.String())
		if err == nil && p.Addr().Is4() && p.Addr().IsGlobalUnicast() {
			own = p.Addr().String()
			break
		}
	}
	gateway, err = defaultRoute()
	if err == nil && own == "" {
		err = &unavailableError{"the machine has no address but its loopback's"}
	}
	return own, gateway, err
}

// withServers runs a comparison while a web server and iperf3 run outside.
func (b *bench) withServers(ctx context.Context, trees map[string]string, compare func(context.Context) error) error {
	log := filepath.Join(b.work, "network.log")
	bulk := server{
		command: []string{"iperf3", "-s", "-p", strconv.Itoa(bulkPort)}, port: strconv.Itoa(bulkPort), log: log, fails: true,
		load: func(ctx context.Context) ([]float64, error) { return nil, compare(ctx) },
	}
	web := server{
		command: website(trees), port: strconv.Itoa(webPort), log: os.DevNull,
		load: func(ctx context.Context) ([]float64, error) { return bulk.measure(ctx) },
	}
	_, err := web.measure(ctx)
	return err
}

// nginx is the command that serves the test image's site.
func nginx() []string { return []string{"nginx", "-e", "stderr", "-c", "/etc/nginx/lpm.conf"} }

func website(trees map[string]string) []string { return asUser(trees["nginx"], nginx()...) }

// asUser is a command in an image's tree, which is another user than root
// there, whatever it is outside.
func asUser(tree string, command ...string) []string {
	return slices.Insert(inTree(tree, "/tmp", command...), 1, "--uid", "33", "--gid", "33", "--setenv", "TMPDIR", "/tmp")
}

// works leaves out the roads that do not work here, and says so. The first has
// to work.
func works(ctx context.Context, all []road) ([]road, error) {
	var found []road
	for i, r := range all {
		if err := r.possible(); err != nil {
			fmt.Printf("\nNot compared: %s: %v\n", r.name, err)
			continue
		}
		c := command{args: r.run(toolsImage, 0, 0, "iperf3", "-c", r.out, "-p", strconv.Itoa(bulkPort), "-n", "1K"), env: r.env}
		err := c.try(ctx)
		switch {
		case err != nil && i == 0:
			return nil, fmt.Errorf("%s: %w", r.name, err)
		case err != nil:
			fmt.Printf("\nNot compared: %s: %v\n", r.name, err)
		default:
			found = append(found, r)
		}
	}
	return found, nil
}

// possible reports what keeps a road from working before anything is started:
// of pasta, a process stays behind.
func (r road) possible() error {
	if !r.device {
		return nil
	}
	device, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return device.Close()
}

// private has a manifest name what the comparison reaches, and nothing else.
func private(m manifest.Manifest, own string) manifest.Manifest {
	m = unbounded(m)
	m.Network = manifest.Network{Mode: manifest.NetworkPrivate}
	m.Network.Egress = []manifest.Egress{{
		CIDR: own + "/32", Protocol: manifest.TCP,
		Ports: []manifest.PortRange{manifest.Port(bulkPort), manifest.Port(webPort)},
	}}
	for _, port := range []uint16{innerBulkPort, webPort} {
		m.Network.Listen = append(m.Network.Listen, manifest.Listen{Port: port, Protocol: manifest.TCP, Publish: true})
	}
	return m
}
