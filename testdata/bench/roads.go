package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/schema"
)

// hostRoad is the machine's own network, which the others are parts of.
func hostRoad(trees map[string]string, own string) road {
	return road{name: "host", out: own, run: func(image string, _, _ int, program ...string) []string {
		return asUser(trees[image], program...)
	}}
}

// pastaRoad is pasta with a device: the gateway's address is the machine's
// loopback.
func pastaRoad(trees map[string]string, gateway string) road {
	return road{name: "pasta", out: gateway, in: true, device: true, process: pastaProcess, run: pasta(trees, "none")}
}

// splicedRoad is pasta with a port of the container's own loopback spliced to
// the machine's, which takes no device.
func splicedRoad(trees map[string]string) road {
	ports := fmt.Sprintf("%d,%d", bulkPort, webPort)
	return road{name: "pasta, spliced", out: "127.0.0.1", in: true, device: true, process: pastaProcess, run: pasta(trees, ports)}
}

// pastaProcess is what pasta's process is called at its beginning.
const pastaProcess = "passt"

func pasta(trees map[string]string, spliced string) func(string, int, int, ...string) []string {
	return func(image string, inner, outer int, program ...string) []string {
		published, own := "none", spliced
		if outer != 0 {
			published, own = fmt.Sprintf("127.0.0.1/%d:%d", outer, inner), "none"
		}
		return append([]string{
			"pasta", "--config-net", "--quiet", "-t", published, "-u", "none", "-T", own, "-U", "none", "--",
		}, asUser(trees[image], program...)...)
	}
}

// slirpRoad is slirp4netns, where 10.0.2.2 is the machine's loopback.
func (b *bench) slirpRoad(trees map[string]string) road {
	return road{name: "slirp4netns", out: "10.0.2.2", in: true, device: true, process: "slirp4netns",
		run: func(image string, inner, outer int, program ...string) []string {
			self := "/proc/" + strconv.Itoa(os.Getpid()) + "/exe"
			return append([]string{self, slirpVerb, b.work, strconv.Itoa(inner), strconv.Itoa(outer)}, asUser(trees[image], program...)...)
		}}
}

// privateRoads are lpm's: the one that most containers take, and the plain one,
// of those that may use io_uring. The images are approved with the calls that
// were seen on the machine's own network.
func (b *bench) privateRoads(ctx context.Context, trees map[string]string, own string) ([]road, error) {
	web, err := b.propose(ctx, "nginx")
	if err != nil {
		return nil, err
	}
	tools, err := b.watchTools(ctx, trees)
	if err != nil {
		return nil, err
	}
	var roads []road
	for _, r := range []struct {
		name, store string
		more        []manifest.Syscall
	}{
		{name: "lpm run", store: "private"},
		{"lpm run, plain", "plain", []manifest.Syscall{{Name: "io_uring_setup"}}},
	} {
		// The same store has both images.
		var l *launchable
		for image, m := range map[string]manifest.Manifest{"nginx": web, toolsImage: tools} {
			m = private(m, own)
			m.Syscalls.Allow = append(slices.Clone(m.Syscalls.Allow), r.more...)
			if l, err = b.approve(ctx, image, r.store, m); err != nil {
				return nil, err
			}
		}
		roads = append(roads, b.privateRoad(r.name, own, l.env))
	}
	return roads, nil
}

func (b *bench) privateRoad(name, own string, env []string) road {
	return road{name: name, out: own, in: true, process: networkProgram, env: env,
		run: func(image string, inner, outer int, program ...string) []string {
			run := []string{b.lpm, "run", "--best-effort", "--quiet", "--entrypoint", program[0]}
			if outer != 0 {
				run = append(run, "-p", fmt.Sprintf("127.0.0.1:%d:%d", outer, inner))
			}
			return append(append(run, image, "--"), program[1:]...)
		}}
}

// defaultRoute returns the gateway of the default route of IPv4, or nothing.
func defaultRoute() (string, error) {
	data, err := os.ReadFile("/proc/net/route")
	if err != nil {
		return "", err
	}
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		f := strings.Fields(lines.Text())
		if len(f) < 8 || f[1] != "00000000" || f[7] != "00000000" {
			continue
		}
		b, err := hex.DecodeString(f[2])
		if err != nil || len(b) != 4 {
			return "", fmt.Errorf("a default route by %q", f[2])
		}
		// It is printed as a number of the machine's byte order.
		var a [4]byte
		binary.NativeEndian.PutUint32(a[:], binary.BigEndian.Uint32(b))
		return netip.AddrFrom4(a).String(), nil
	}
	return "", nil
}

// watchTools returns the manifest that lpm proposes for the programs of the
// tools' image as clients and as a server.
func (b *bench) watchTools(ctx context.Context, trees map[string]string) (m manifest.Manifest, err error) {
	file := filepath.Join(b.work, toolsImage+".cue")
	client := fmt.Sprintf("iperf3 -c 127.0.0.1 -p %d -t 1", bulkPort)
	work := fmt.Sprintf("%[1]s; %[1]s -R; wrk -t 1 -c 16 -d 1s --latency http://127.0.0.1:%[2]d/health; exec iperf3 -s -p %[3]d", client, webPort, innerBulkPort)
	inner := fmt.Sprintf("iperf3 -c 127.0.0.1 -p %d -t 1", innerBulkPort)
	store := b.store("proposals")
	watch := func(ctx context.Context) error {
		for _, args := range [][]string{
			{"load", b.image(toolsImage)},
			{"analyze", "-o", file, "--exercise", inner + " && " + inner + " -R", toolsImage, "--", "sh", "-c", work},
		} {
			if _, err := store.lpm(ctx, args...); err != nil {
				return err
			}
		}
		return nil
	}
	if err := b.withServers(ctx, trees, watch); err != nil {
		return m, err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return m, err
	}
	decoded, err := schema.Decode(file, text)
	if err != nil {
		return m, err
	}
	return *decoded, nil
}
