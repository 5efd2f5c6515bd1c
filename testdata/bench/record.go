package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/least-privilege/lpm/analyzer"
	"github.com/least-privilege/lpm/analyzer/evidence"
)

// shortProcesses is a script that starts many programs, each for a moment.
const shortProcesses = "i=0; while [ $i -lt 2000 ]; do /usr/bin/true; i=$((i+1)); done"

// watching is what is done while it is watched, and when nobody watches.
type watching struct {
	image, title string
	compare      func(context.Context, store, *comparison) error
}

// watchings are compared with what is done natively: servers, and commands that
// end.
func (b *bench) watchings() map[string]watching {
	return map[string]watching{
		"record-redis":  {"redis", "Recording redis under redis-benchmark -t set -n " + requests, b.recordRedis},
		"record-nginx":  {"nginx", "Recording nginx under " + strings.Join(wrk(), " "), b.recordNginx},
		"record-script": {"redis", "Recording a shell script of 2000 short processes", b.recordScript},
		"record-build":  {"golang", "Recording go build cmd/gofmt", b.recordBuild},
	}
}

// record returns the comparison of one of them.
func (b *bench) record(name string) func(context.Context) error {
	w := b.watchings()[name]
	return func(ctx context.Context) error {
		if err := has("redis-benchmark", "wrk", "strace", "bwrap"); err != nil {
			return err
		}
		if _, err := os.Stat(b.image(w.image)); err != nil {
			return &unavailableError{fmt.Sprintf("there is no image %s", w.image)}
		}
		if err := free(w.image); err != nil {
			return err
		}
		s := b.store("record")
		if _, err := s.lpm(ctx, "load", b.image(w.image)); err != nil {
			return err
		}
		return w.compare(ctx, s, &comparison{title: w.title})
	}
}

func (b *bench) recordRedis(ctx context.Context, s store, c *comparison) error {
	tree, err := b.unpack(ctx, "redis")
	if err != nil {
		return err
	}
	result := filepath.Join(b.work, "result.csv")
	workload := fmt.Sprintf("redis-benchmark -p %s -t set -n %s --csv >%s", ports()["redis"], requests, result)
	native := server{command: nativeRedis(tree), port: ports()["redis"], load: benchmark("set"), log: filepath.Join(b.work, "record.log")}
	c.rounds = b.rarely(60)
	return b.recordServer(ctx, c, native, func(ctx context.Context, flags ...string) ([]float64, error) {
		return b.analyzed(ctx, s, result, throughput, append(flags, "--exercise", workload, "redis")...)
	})
}

func (b *bench) recordNginx(ctx context.Context, s store, c *comparison) error {
	tree, err := b.unpack(ctx, "nginx")
	if err != nil {
		return err
	}
	result := filepath.Join(b.work, "result.txt")
	workload := strings.Join(wrk(), " ") + " >" + result
	native := server{
		command: inTree(tree, "/", "nginx", "-e", "stderr", "-c", "/etc/nginx/lpm.conf"),
		port:    ports()["nginx"], load: browse, log: os.DevNull,
	}
	c.rounds = b.rarely(60)
	return b.recordServer(ctx, c, native, func(ctx context.Context, flags ...string) ([]float64, error) {
		return b.analyzed(ctx, s, result, browsed, append(flags, "--exercise", workload, "nginx")...)
	})
}

// recordServer compares the requests that a server answers in a second.
func (b *bench) recordServer(ctx context.Context, c *comparison, native server, watched func(context.Context, ...string) ([]float64, error)) error {
	c.quantities = []quantity{{unit: "requests/s"}}
	c.parts = true // of what it gets done natively
	c.all = []*alternative{{name: "native", measure: native.measure}}
	for _, t := range tracers() {
		traced := native
		traced.command = append(t.command, native.command...)
		c.all = append(c.all, &alternative{name: t.name, measure: traced.measure})
	}
	c.watched(watched)
	return c.run(ctx)
}

func (b *bench) recordScript(ctx context.Context, s store, c *comparison) error {
	tree, err := b.unpack(ctx, "redis")
	if err != nil {
		return err
	}
	c.rounds = b.rarely(60)
	native := inTree(tree, "/", "/bin/sh", "-c", shortProcesses)
	return b.recordCommand(ctx, s, c, native, "--entrypoint", "/bin/sh", "redis", "--", "-c", shortProcesses)
}

func (b *bench) recordBuild(ctx context.Context, s store, c *comparison) error {
	tree, err := b.unpack(ctx, "golang")
	if err != nil {
		return err
	}
	c.rounds = b.rarely(100)
	build := []string{"build", "-buildvcs=false", "-o", "/tmp/gofmt", "cmd/gofmt"}
	native := inTree(tree, "/", append([]string{"/usr/local/go/bin/go"}, build...)...)
	native = append([]string{"env", "HOME=/tmp", "TMPDIR=/tmp", "CGO_ENABLED=0", "GOTOOLCHAIN=local", "GOFLAGS="}, native...)
	return b.recordCommand(ctx, s, c, native, append([]string{"golang", "--"}, build...)...)
}

// recordCommand compares how long a command takes. Of one that lpm watches it
// is the time in the record, without what is done before and after.
func (b *bench) recordCommand(ctx context.Context, s store, c *comparison, native []string, analyze ...string) error {
	c.quantities = []quantity{{unit: "s"}}
	c.parts = true
	c.all = []*alternative{{name: "native", measure: timed(native)}}
	for _, t := range tracers() {
		c.all = append(c.all, &alternative{name: t.name, measure: timed(append(t.command, native...))})
	}
	record := filepath.Join(b.work, "record.json")
	duration := func(data []byte) ([]float64, error) {
		r, err := evidence.Decode(data)
		if err != nil {
			return nil, err
		}
		return []float64{float64(r.Duration) / 1000}, nil
	}
	c.watched(func(ctx context.Context, flags ...string) ([]float64, error) {
		return b.analyzed(ctx, s, record, duration, append(append(flags, "--evidence", record), analyze...)...)
	})
	return c.run(ctx)
}

// watched adds lpm's recorders; the one in the kernel takes root.
func (c *comparison) watched(measure func(context.Context, ...string) ([]float64, error)) {
	c.all = append(c.all, &alternative{name: "lpm analyze", measure: func(ctx context.Context) ([]float64, error) { return measure(ctx) }})
	if os.Geteuid() == 0 {
		c.all = append(c.all, &alternative{name: "lpm analyze --recorder ebpf", measure: func(ctx context.Context) ([]float64, error) {
			return measure(ctx, "--recorder", "ebpf")
		}})
	}
}

// analyzed has lpm watch an image, and reads what the run left in a file.
func (b *bench) analyzed(ctx context.Context, s store, result string, read func([]byte) ([]float64, error), args ...string) ([]float64, error) {
	args = append([]string{"analyze", "-o", filepath.Join(b.work, "record.cue")}, args...)
	if _, err := s.lpm(ctx, args...); err != nil {
		return nil, err
	}
	out, err := os.ReadFile(result)
	if err != nil {
		return nil, err
	}
	return read(out)
}

// tracer is another way to see system calls.
type tracer struct {
	name    string
	command []string
}

// tracers are strace with all calls, and with a filter that leaves out those
// that lpm leaves out. Root has measured them as an ordinary user.
func tracers() []tracer {
	if os.Geteuid() == 0 {
		return nil
	}
	strace := []string{"strace", "-f", "-qq", "-o", os.DevNull}
	var unwatched []string
	for _, s := range analyzer.Unwatched(runtime.GOARCH) {
		if len(s.When) == 0 {
			unwatched = append(unwatched, s.Name)
		}
	}
	filter := "trace=!" + strings.Join(unwatched, ",")
	return []tracer{
		{"strace -f", strace},
		{"strace -f --seccomp-bpf", append(strace[:len(strace):len(strace)], "--seccomp-bpf", "-e", filter)},
	}
}

// timed measures how many seconds a command takes.
func timed(command []string) func(context.Context) ([]float64, error) {
	return func(ctx context.Context) ([]float64, error) {
		cmd := exec.CommandContext(ctx, command[0], command[1:]...)
		started := time.Now()
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%w: %s", err, out)
		}
		return []float64{time.Since(started).Seconds()}, nil
	}
}
