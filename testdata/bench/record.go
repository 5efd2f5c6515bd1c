package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// record compares what a Redis server gets done while it is watched.
func (b *bench) record(ctx context.Context) error {
	if err := has("redis-benchmark", "strace"); err != nil {
		return err
	}
	if err := free("redis"); err != nil {
		return err
	}
	tree, err := b.unpack(ctx, "redis")
	if err != nil {
		return err
	}
	watched := b.store("record")
	if _, err := watched.lpm(ctx, "load", b.image("redis")); err != nil {
		return err
	}
	native := server{
		command: nativeRedis(tree), port: ports()["redis"], load: benchmark("set"),
		log: filepath.Join(b.work, "record.log"),
	}
	traced := native
	traced.command = append([]string{"strace", "-f", "-qq", "-o", "/dev/null"}, native.command...)
	c := &comparison{
		title:      "Recording redis under redis-benchmark -t set -n " + requests,
		quantities: []quantity{{unit: "requests/s"}}, rounds: b.rarely(60),
		all: []*alternative{
			{name: "lpm analyze", measure: func(ctx context.Context) ([]float64, error) { return b.analyzed(ctx, watched) }},
			{name: "native", measure: native.measure},
			{name: "strace -f", measure: traced.measure},
		},
	}
	if os.Geteuid() == 0 { // the recorder in the kernel takes root
		c.all = append(c.all, &alternative{name: "lpm analyze --recorder ebpf", measure: func(ctx context.Context) ([]float64, error) {
			return b.analyzed(ctx, watched, "--recorder", "ebpf")
		}})
	}
	return c.run(ctx)
}

// analyzed measures a Redis server that lpm analyze watches; the workload is
// lpm's to start.
func (b *bench) analyzed(ctx context.Context, s store, flags ...string) ([]float64, error) {
	result := filepath.Join(b.work, "result.csv")
	workload := fmt.Sprintf("redis-benchmark -p %s -t set -n %s --csv >%s", ports()["redis"], requests, result)
	args := append([]string{"analyze", "-o", filepath.Join(b.work, "record.cue"), "--exercise", workload, "redis"}, flags...)
	if _, err := s.lpm(ctx, args...); err != nil {
		return nil, err
	}
	out, err := os.ReadFile(result)
	if err != nil {
		return nil, err
	}
	return throughput(out)
}
