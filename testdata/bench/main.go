// Bench measures what lpm costs beside other tools, and prints ratios.
//
// Absolute times belong to the machine they were taken on. The alternatives of
// a comparison take turns in one run, so that whatever else the machine does
// hits them alike, and their medians are compared. What cannot be measured on a
// machine is said in a line.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/manifest"
)

// bench is what the comparisons need to know.
type bench struct {
	lpm     string // the program
	floor   string // the compiled floor
	goFloor string // the same in Go
	needed  string // the calls that applications' own tests require
	docker  string // Docker's default profile
	caller  string // the compiled program that makes calls
	images  string // the folder of the test images
	work    string // an empty folder for what is made on the way
	rounds  int    // how often each launcher has its turn

	proposals map[string]*manifest.Manifest // by image
}

// unavailableError says why something cannot be measured on this machine.
type unavailableError struct{ why string }

func (e *unavailableError) Error() string { return e.why }

// topic is a comparison that can be chosen.
type topic struct {
	name    string
	compare func(context.Context) error
}

func (b *bench) topics() []topic {
	return []topic{
		{"launch", b.launch},
		{"options", b.options},
		{"calls", b.calls},
		{"share", b.share},
		{"redis", b.redis},
		{"nginx", b.nginx},
		{"network", b.network},
		{"record-redis", b.record("record-redis")},
		{"record-nginx", b.record("record-nginx")},
		{"record-script", b.record("record-script")},
		{"record-build", b.record("record-build")},
		{"proposals", b.sizes},
	}
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == starterVerb {
		exit(starterMain(os.Args[2:]))
	}
	if len(os.Args) > 1 && os.Args[1] == slirpVerb {
		exit(slirpMain(os.Args[2:]))
	}
	// Servers are bound to the life of the thread that starts them.
	runtime.LockOSThread()
	b := bench{proposals: map[string]*manifest.Manifest{}}
	var names []string
	for _, t := range b.topics() {
		names = append(names, t.name)
	}
	flag.StringVar(&b.lpm, "lpm", "", "the lpm `program`")
	flag.StringVar(&b.floor, "floor", "", "the compiled floor")
	flag.StringVar(&b.goFloor, "gofloor", "", "the floor that is a Go program")
	flag.StringVar(&b.caller, "caller", "", "the compiled program that makes calls")
	flag.StringVar(&b.needed, "required", "", "the `file` with the calls that applications' own tests require")
	flag.StringVar(&b.docker, "docker", "", "the `file` with Docker's default profile")
	flag.StringVar(&b.images, "images", "", "`folder` with the test images, to which others are added")
	flag.StringVar(&b.work, "work", "", "an empty `folder`")
	flag.IntVar(&b.rounds, "rounds", 300, "turns of each launcher; what takes longer has fewer, in proportion")
	only := flag.String("only", "", "`names` of comparisons, joined by commas, of "+strings.Join(names, ", "))
	flag.Parse()

	chosen := names
	if *only != "" {
		chosen = strings.Split(*only, ",")
	}
	for _, c := range chosen {
		if !slices.Contains(names, c) {
			exit(fmt.Errorf("no comparison %q: there are %s", c, strings.Join(names, ", ")))
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM)
	defer stop()
	exit(b.run(ctx, chosen))
}

// run makes the chosen comparisons.
func (b *bench) run(ctx context.Context, chosen []string) error {
	if err := machine(); err != nil {
		return err
	}
	// The key that approves, of all stores.
	if _, err := b.store("proposals").lpm(ctx, "key", "new"); err != nil {
		return err
	}
	for _, t := range b.topics() {
		if !slices.Contains(chosen, t.name) {
			continue
		}
		err := t.compare(ctx)
		var unavailable *unavailableError
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.As(err, &unavailable):
			fmt.Printf("\nNot compared: %s: %v\n", t.name, err)
		case err != nil:
			return fmt.Errorf("%s: %w", t.name, err)
		}
	}
	return machine()
}

// machine says where the figures are from, and how busy it is there.
func machine() error {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return err
	}
	load, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return err
	}
	fmt.Printf("\nLinux %s on %d processors, load averages %s\n",
		unix.ByteSliceToString(u.Release[:]), runtime.NumCPU(), bytes.Join(bytes.Fields(load)[:3], []byte(" ")))
	return nil
}

// rarely is the number of turns of something that takes share times as long as
// a launch.
func (b *bench) rarely(share int) int { return max(3, b.rounds/share) }

// has reports a program that is missing.
func has(programs ...string) error {
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			return &unavailableError{fmt.Sprintf("%s is not installed", p)}
		}
	}
	return nil
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}
