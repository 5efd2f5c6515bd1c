// Testreport reads what one package's test binary did, as `go tool test2json`
// prints it, and says in one line how it went, as `go test` does.
//
// Before that it prints the output of the tests that failed. With -must-run a
// skipped test is a failure, unless its name matches -may-skip. It exits 1 on
// failure.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
)

// event is one line of input; see `go doc test2json`.
type event struct {
	Action, Test, Output string
	Elapsed              float64
}

// results is what became of a package's tests. Output is kept by top-level
// test, and under "" for what no test printed.
type results struct {
	passed          int
	failed, skipped []string
	missed          []string // of those skipped, the ones that had to run
	output          map[string]*strings.Builder
	ended           string
	elapsed         float64
}

func main() {
	name := flag.String("package", "", "the package's import `path`")
	user := flag.String("user", "", "the `user` who ran it")
	mustRun := flag.Bool("must-run", false, "count a skipped test as failed")
	var maySkip *regexp.Regexp
	flag.Func("may-skip", "tests whose names match `PATTERN` may be skipped all the same", func(s string) (err error) {
		maySkip, err = regexp.Compile(s)
		return err
	})
	flag.Parse()
	r, err := read(os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testreport:", err)
		os.Exit(1)
	}
	if *mustRun {
		r.missed = slices.DeleteFunc(slices.Clone(r.skipped), func(test string) bool {
			return maySkip != nil && maySkip.MatchString(test)
		})
	}
	if r.report(*name, *user) {
		return
	}
	os.Exit(1)
}

func read(in io.Reader) (*results, error) {
	r := &results{output: map[string]*strings.Builder{}}
	events := json.NewDecoder(bufio.NewReader(in))
	for {
		var e event
		err := events.Decode(&e)
		if errors.Is(err, io.EOF) {
			return r, nil
		}
		if err != nil {
			return nil, err
		}
		r.add(e)
	}
}

func (r *results) add(e event) {
	top, _, inner := strings.Cut(e.Test, "/")
	switch e.Action {
	case "output":
		if r.output[top] == nil {
			r.output[top] = &strings.Builder{}
		}
		if !strings.HasPrefix(e.Output, "=== ") {
			r.output[top].WriteString(e.Output)
		}
	case "skip":
		r.skipped = append(r.skipped, e.Test)
	case "pass", "fail":
		switch {
		case e.Test == "":
			r.ended, r.elapsed = e.Action, e.Elapsed
		case inner:
		case e.Action == "pass":
			r.passed++
		default:
			r.failed = append(r.failed, e.Test)
		}
	}
}

// report prints the results and returns whether all is well.
func (r *results) report(name, user string) bool {
	well := r.ended == "pass"
	if !well {
		for _, test := range append(r.failed, "") {
			if out := r.output[test]; out != nil {
				fmt.Print(out)
			}
		}
	}
	if len(r.missed) > 0 {
		fmt.Printf("skipped: %s\n", strings.Join(r.missed, ", "))
		well = false
	}
	verdict := "ok  "
	if !well {
		verdict = "FAIL"
	}
	fmt.Printf("%s\t%s\t%.3fs\t%d tests passed", verdict, name, r.elapsed, r.passed)
	if len(r.skipped) > 0 {
		fmt.Printf(", %d skipped", len(r.skipped))
	}
	fmt.Printf(" as %s\n", user)
	return well
}
