package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/manifest/vulnerabilities"
)

// sizes prints how many system calls are proposed from one watched benchmark,
// where they are from, which of those are missed that the application's own test
// suite requires, and how many of the known CVEs are left open.
func (b *bench) sizes(ctx context.Context) error {
	t := &table{title: "System calls proposed from a benchmark and the image's code"}
	t.row("", "seen", "always", "static-added", "proposed", "required", "required-missed", fmt.Sprintf("CVEs open of %d", len(vulnerabilities.Known())))
	for _, image := range []string{"nginx", "redis", "memcached", "postgres", "python3", "nginx-entry", "redis-entry", "tiny"} {
		m, err := b.propose(ctx, image)
		var unavailable *unavailableError
		if errors.As(err, &unavailable) {
			fmt.Printf("Not counted: %s: %v\n", image, err)
			continue
		}
		if err != nil {
			return err
		}
		if err := b.sizesOf(t, image, m); err != nil {
			return err
		}
	}
	docker, _, err := b.dockerFilter()
	if err != nil {
		return err
	}
	const none = "-"
	t.row("Docker's default", none, none, none, strconv.Itoa(len(docker.numbers)), none, none, strconv.Itoa(len(vulnerabilities.Docker(runtime.GOARCH).Open())))
	if err := t.print(); err != nil {
		return err
	}
	// Measured by others, on other releases of these programs.
	fmt.Println("Published for nginx (loupedb, CC-BY 4.0): 104 to 115 calls by static analysis alone, 65 to 71 by a trace of its own test suite.")
	return nil
}

func (b *bench) sizesOf(t *table, image string, m manifest.Manifest) error {
	seen, always, added := map[string]bool{}, map[string]bool{}, map[string]bool{}
	all := map[string]bool{}
	for _, c := range m.Syscalls.Allow {
		all[c.Name] = true
		switch {
		case strings.HasPrefix(c.Reason, "used"), strings.HasPrefix(c.Reason, "what clone3"):
			seen[c.Name] = true
		case strings.HasPrefix(c.Reason, "variant of"), strings.HasPrefix(c.Reason, "not seen"):
			added[c.Name] = true
		default:
			always[c.Name] = true
		}
	}
	required, missed, err := b.missed(image, all)
	if err != nil {
		return err
	}
	text := "unknown"
	if required > 0 {
		text = strconv.Itoa(len(missed))
	}
	if len(missed) > 0 {
		text += ": " + strings.Join(missed, " ")
	}
	t.row(image, strconv.Itoa(len(seen)), strconv.Itoa(len(always)), strconv.Itoa(len(added)), strconv.Itoa(len(all)), strconv.Itoa(required), text, strconv.Itoa(len(vulnerabilities.Open(&m))))
	return nil
}

// missed reads what an application requires; of a call that is excused, the
// one that is made instead.
func (b *bench) missed(application string, allowed map[string]bool) (required int, missed []string, err error) {
	f, err := os.Open(b.needed)
	if err != nil {
		return 0, nil, err
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comment, r.FieldsPerRecord = '#', 4
	rows, err := r.ReadAll()
	if err != nil {
		return 0, nil, fmt.Errorf("reading what is required: %w", err)
	}
	for _, row := range rows {
		if row[0] != application {
			continue
		}
		required++
		call, instead, excuse := row[1], row[2], row[3]
		if excuse != "" {
			call = instead
		}
		if call != "" && !allowed[call] {
			missed = append(missed, call)
		}
	}
	return required, missed, nil
}
