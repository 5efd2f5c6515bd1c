package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
)

// requests is how many requests redis-benchmark makes of each kind.
const requests = "50000"

// redis compares a Redis server under lpm run with a native one, and tells how
// much memory lpm takes meanwhile.
func (b *bench) redis(ctx context.Context) error {
	if err := has("redis-benchmark"); err != nil {
		return err
	}
	tree, err := b.unpack(ctx, "redis")
	if err != nil {
		return err
	}
	l, err := b.approved(ctx, "redis")
	if err != nil {
		return err
	}
	c := &comparison{
		title:      "Serving redis-benchmark -t set,get -n " + requests,
		quantities: []quantity{{unit: "SETs/s"}, {unit: "GETs/s"}}, rounds: b.rarely(30),
	}
	var used memory
	s := server{port: ports()["redis"], load: benchmark("set,get"), look: used.look, log: filepath.Join(b.work, "redis.log")}
	if err := c.serve(ctx, l, nativeRedis(tree), s); err != nil {
		return err
	}
	return used.print()
}

func nativeRedis(tree string) []string {
	return inTree(tree, "/data", "redis-server", "/etc/redis.conf")
}

// benchmark returns a load of kinds of requests to a Redis server.
func benchmark(kinds string) func(context.Context) ([]float64, error) {
	return func(ctx context.Context) ([]float64, error) {
		out, err := exec.CommandContext(ctx, "redis-benchmark", "-p", ports()["redis"], "-t", kinds, "-n", requests, "--csv").Output()
		if err != nil {
			return nil, fmt.Errorf("redis-benchmark: %w", err)
		}
		return throughput(out)
	}
}

// throughput reads the requests per second from redis-benchmark's CSV: a
// header, then one line a test.
func throughput(data []byte) ([]float64, error) {
	rows, err := csv.NewReader(bytes.NewReader(data)).ReadAll()
	if err != nil || len(rows) < 2 || len(rows[0]) < 2 {
		return nil, fmt.Errorf("redis-benchmark said %q", data)
	}
	var values []float64
	for _, row := range rows[1:] {
		v, err := strconv.ParseFloat(row[1], 64)
		if err != nil {
			return nil, fmt.Errorf("redis-benchmark said %q: %w", data, err)
		}
		values = append(values, v)
	}
	return values, nil
}
