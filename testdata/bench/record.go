package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

const (
	// requests is how many requests redis-benchmark makes in a turn.
	requests = "50000"
	// port is the one that the image says it listens on.
	port = "6379"
	// patience is how long something is waited for that is late or hangs.
	patience = 10 * time.Second
)

// record compares what a Redis server gets done while it is watched.
func (b *bench) record(ctx context.Context) error {
	tree, err := b.unpack(ctx, "redis")
	if err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, b.lpm, "load", b.image("redis")).CombinedOutput(); err != nil {
		return fmt.Errorf("lpm load: %w: %s", err, out)
	}
	if conn, err := net.Dial("tcp", "127.0.0.1:"+port); err == nil {
		conn.Close()
		return fmt.Errorf("port %s is in use on this machine, and redis needs it", port)
	}
	// Native is the same tree in the same kind of container, unwatched.
	native := []string{"bwrap", "--unshare-user", "--unshare-pid", "--bind", tree, "/",
		"--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--chdir", "/data",
		"redis-server", "/etc/redis.conf"}
	strace := append([]string{"strace", "-f", "-qq", "-o", "/dev/null"}, native...)
	all := []*alternative{
		{name: "lpm analyze", measure: b.analyzed},
		{name: "native", measure: server(native)},
		{name: "strace -f", measure: server(strace)},
	}
	rounds := max(3, b.rounds/20)
	if err := takeTurns(ctx, rounds, all); err != nil {
		return err
	}
	return report(fmt.Sprintf("Recording redis under redis-benchmark -t set -n %s, %d times each", requests, rounds), "requests/s", all)
}

// server returns a measurement of a Redis server that a command starts.
func server(command []string) func(context.Context) (float64, error) {
	return func(ctx context.Context) (float64, error) {
		var log bytes.Buffer
		cmd := exec.CommandContext(ctx, command[0], command[1:]...)
		cmd.Stdout, cmd.Stderr = &log, &log
		cmd.WaitDelay = patience
		if err := cmd.Start(); err != nil {
			return 0, err
		}
		value, err := benchmark(ctx)
		if err == nil {
			err = exec.CommandContext(ctx, "redis-cli", "-p", port, "shutdown", "nosave").Run()
		} else {
			cmd.Process.Kill() //nolint:errcheck // Wait tells what became of it.
		}
		if ended := cmd.Wait(); err == nil {
			err = ended
		}
		if err != nil {
			return 0, fmt.Errorf("%w: %s", err, log.Bytes())
		}
		return value, nil
	}
}

func benchmark(ctx context.Context) (float64, error) {
	if err := ready(ctx); err != nil {
		return 0, err
	}
	out, err := exec.CommandContext(ctx, "redis-benchmark", "-p", port, "-t", "set", "-n", requests, "--csv").Output()
	if err != nil {
		return 0, fmt.Errorf("redis-benchmark: %w", err)
	}
	return throughput(out)
}

// analyzed measures a Redis server that lpm analyze watches; the workload is
// lpm's to start.
func (b *bench) analyzed(ctx context.Context) (float64, error) {
	result := filepath.Join(b.work, "result.csv")
	workload := fmt.Sprintf("redis-benchmark -p %s -t set -n %s --csv >%s", port, requests, result)
	cmd := exec.CommandContext(ctx, b.lpm, "analyze", "-o", filepath.Join(b.work, "redis.cue"), "--exercise", workload, "redis")
	cmd.WaitDelay = patience
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("%w: %s", err, out)
	}
	out, err := os.ReadFile(result)
	if err != nil {
		return 0, err
	}
	return throughput(out)
}

// throughput reads the requests per second from redis-benchmark's CSV: a
// header, then one line a test.
func throughput(data []byte) (float64, error) {
	rows, err := csv.NewReader(bytes.NewReader(data)).ReadAll()
	if err != nil || len(rows) != 2 || len(rows[1]) < 2 {
		return 0, fmt.Errorf("redis-benchmark said %q", data)
	}
	return strconv.ParseFloat(rows[1][1], 64)
}

// ready waits until a server answers, as long as patience lasts.
func ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var dialer net.Dialer
	for {
		conn, err := dialer.DialContext(ctx, "tcp", "127.0.0.1:"+port)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for redis: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
