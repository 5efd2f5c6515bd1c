package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// nginx compares a web server under lpm run with a native one.
func (b *bench) nginx(ctx context.Context) error {
	if err := has("wrk"); err != nil {
		return err
	}
	tree, err := b.unpack(ctx, "nginx")
	if err != nil {
		return err
	}
	l, err := b.approved(ctx, "nginx")
	if err != nil {
		return err
	}
	native := inTree(tree, "/", "nginx", "-e", "stderr", "-c", "/etc/nginx/lpm.conf")
	// A line is logged for each request.
	for _, log := range []struct{ what, path string }{
		{"thrown away", os.DevNull}, {"written to a file", filepath.Join(b.work, "nginx.log")},
	} {
		c := &comparison{
			title:      fmt.Sprintf("Serving %s, the log %s", strings.Join(wrk(), " "), log.what),
			quantities: []quantity{{unit: "requests/s"}}, rounds: b.rarely(30),
		}
		if err := c.serve(ctx, l, native, server{port: ports()["nginx"], load: browse, log: log.path}); err != nil {
			return err
		}
	}
	return nil
}

func wrk() []string {
	return []string{"wrk", "-t", "1", "-c", "16", "-d", "2s", "http://127.0.0.1:" + ports()["nginx"] + "/"}
}

// rate is where wrk says what this is about.
func rate() *regexp.Regexp { return regexp.MustCompile(`Requests/sec: +([0-9.]+)`) }

func browse(ctx context.Context) ([]float64, error) {
	command := wrk()
	out, err := exec.CommandContext(ctx, command[0], command[1:]...).Output()
	if err != nil {
		return nil, fmt.Errorf("wrk: %w", err)
	}
	return browsed(out)
}

// browsed reads the requests per second from what wrk prints.
func browsed(out []byte) ([]float64, error) {
	found := rate().FindSubmatch(out)
	if found == nil || bytes.Contains(out, []byte("Non-2xx")) {
		return nil, fmt.Errorf("wrk said %q", out)
	}
	v, err := strconv.ParseFloat(string(found[1]), 64)
	return []float64{v}, err
}
