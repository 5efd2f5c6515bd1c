package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A load is a program's work, from which quantities are read.
type load struct {
	program []string
	read    func(out []byte) ([]float64, error)
}

// bulkLoads send through iperf3 for a second each: to the server, and from it.
func bulkLoads(address string, port int) []load {
	iperf := []string{"iperf3", "-J", "-c", address, "-p", strconv.Itoa(port), "-t", "1"}
	return []load{{iperf, bulk}, {append(iperf, "-R"), bulk}}
}

// webLoads fetch a few bytes for a second each: on 16 connections that stay, on
// one that stays, and on as many as there are requests.
func webLoads(address string) []load {
	url := "http://" + address + "/health"
	wrk := func(connections string, more ...string) []string {
		return append([]string{"wrk", "-t", "1", "-c", connections, "-d", "1s", "--latency", url}, more...)
	}
	return []load{
		{wrk("16"), browsed},
		{wrk("16", "-H", "Connection: close"), browsed},
		{wrk("1"), delays},
	}
}

func networkQuantities() []quantity {
	return []quantity{
		{unit: "Gbit/s to the server"}, {unit: "Gbit/s from it"},
		{unit: "requests/s"}, {unit: "connections/s"},
		{unit: "µs"}, {unit: "µs at p99"}, {unit: "MB resident"},
	}
}

// printNetwork prints a comparison as tables that fit a screen.
func printNetwork(c *comparison) error {
	// The machine's own network takes no process.
	for _, t := range []struct {
		title    string
		first, n int
	}{
		{"throughput, iperf3 for 1 s", 0, 2},
		{"small answers of nginx, wrk with 16 connections for 1 s", 2, 2},
		{"the time of such an answer, 1 connection", 4, 2},
	} {
		if err := c.only(c.title+": "+t.title, t.first, t.n).print(); err != nil {
			return err
		}
	}
	memory := table{title: c.title + ": memory of the process that connects, while it serves these"}
	memory.row("", "median MB", "largest MB")
	for _, a := range c.all {
		memory.row(a.name, figure(a.quantile(6, 0.5)), figure(a.quantile(6, 1)))
	}
	return memory.print()
}

// outward compares what containers get done as clients of the machine.
func (b *bench) outward(ctx context.Context, all []road) error {
	c := &comparison{title: "Out of a container", quantities: networkQuantities(), rounds: b.rarely(60), parts: true}
	for _, r := range all {
		c.all = append(c.all, &alternative{name: r.name, measure: r.measureOutward})
	}
	if err := takeTurns(ctx, c.rounds, c.all); err != nil {
		return err
	}
	return printNetwork(c)
}

func (r road) measureOutward(ctx context.Context) ([]float64, error) {
	var values []float64
	var largest float64
	for _, l := range append(bulkLoads(r.out, bulkPort), webLoads(fmt.Sprintf("%s:%d", r.out, webPort))...) {
		var out, said bytes.Buffer
		args := r.run(toolsImage, 0, 0, l.program...)
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Env = append(os.Environ(), r.env...)
		cmd.Stdout, cmd.Stderr = &out, &said
		if err := cmd.Start(); err != nil {
			return nil, err
		}
		look := time.AfterFunc(700*time.Millisecond, func() {
			// One that has ended early is missed; the others tell.
			if mb, err := r.resident(cmd.Process.Pid); err == nil {
				largest = max(largest, mb)
			}
		})
		err := cmd.Wait()
		look.Stop()
		if err != nil {
			return nil, fmt.Errorf("%s: %w: %s%s", l.program[0], err, out.Bytes(), said.Bytes())
		}
		more, err := l.read(out.Bytes())
		if err != nil {
			return nil, err
		}
		values = append(values, more...)
	}
	if r.process != "" && largest == 0 {
		return nil, fmt.Errorf("no process %s was seen", r.process)
	}
	return append(values, largest), nil
}

// inward compares how servers in containers are reached from the machine.
func (b *bench) inward(ctx context.Context, all []road) error {
	c := &comparison{title: "Into a container", quantities: networkQuantities(), rounds: b.rarely(60), parts: true}
	for _, r := range all {
		// The web server outside has the port.
		if r.name == "pasta, spliced" {
			continue
		}
		c.all = append(c.all, &alternative{name: r.name, measure: func(ctx context.Context) ([]float64, error) {
			return b.measureInward(ctx, r)
		}})
	}
	if err := takeTurns(ctx, c.rounds, c.all); err != nil {
		return err
	}
	return printNetwork(c)
}

func (b *bench) measureInward(ctx context.Context, r road) ([]float64, error) {
	var largest float64
	look := func(pid int) error {
		mb, err := r.resident(pid)
		largest = max(largest, mb)
		return err
	}
	iperf := r.server(toolsImage, innerBulkPort, outerBulkPort, "iperf3", "-s", "-p", strconv.Itoa(innerBulkPort))
	iperf.fails, iperf.look, iperf.log = true, look, filepath.Join(b.work, "inner.log")
	iperf.load = func(ctx context.Context) ([]float64, error) {
		port, err := strconv.Atoi(iperf.port)
		if err != nil {
			return nil, err
		}
		probe := func() error {
			return exec.CommandContext(ctx, "iperf3", "-c", "127.0.0.1", "-p", iperf.port, "-n", "1K").Run()
		}
		return loads(ctx, probe, bulkLoads("127.0.0.1", port))
	}
	values, err := iperf.measure(ctx)
	if err != nil {
		return nil, err
	}
	var more []float64
	if !r.in {
		// It is the machine's own.
		more, err = loads(ctx, func() error { return nil }, webLoads(r.address(webPort, outerWebPort)))
	} else {
		web := r.server("nginx", webPort, outerWebPort, nginx()...)
		web.look, web.log = look, os.DevNull
		web.load = func(ctx context.Context) ([]float64, error) {
			address := r.address(webPort, outerWebPort)
			return loads(ctx, func() error { return answers(ctx, address) }, webLoads(address))
		}
		more, err = web.measure(ctx)
	}
	return append(append(values, more...), largest), err
}

// server is a program of an image that serves a port.
func (r road) server(image string, inner, outer int, program ...string) server {
	_, port, _ := strings.Cut(r.address(inner, outer), ":")
	return server{command: r.run(image, inner, outer, program...), env: r.env, port: port}
}

// loads makes them one after another, once the server answers: a published port
// is open before that.
func loads(ctx context.Context, probe func() error, all []load) ([]float64, error) {
	late := time.Now().Add(patience)
	for probe() != nil {
		if time.Now().After(late) || ctx.Err() != nil {
			return nil, errors.Join(ctx.Err(), errors.New("the server does not answer"))
		}
		time.Sleep(20 * time.Millisecond)
	}
	var values []float64
	for _, l := range all {
		out, err := exec.CommandContext(ctx, l.program[0], l.program[1:]...).Output()
		if err != nil {
			return nil, fmt.Errorf("%s: %w: %s", l.program[0], err, out)
		}
		more, err := l.read(out)
		if err != nil {
			return nil, err
		}
		values = append(values, more...)
	}
	return values, nil
}

func answers(ctx context.Context, address string) error {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/health", nil)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Second}
	r, err := client.Do(q)
	if err != nil {
		return err
	}
	return r.Body.Close()
}

// bulk reads the rate of what arrived, in Gbit/s, from what iperf3 prints.
func bulk(out []byte) ([]float64, error) {
	var r struct {
		Error string `json:"error"`
		End   struct {
			Received struct {
				Rate float64 `json:"bits_per_second"`
			} `json:"sum_received"`
		} `json:"end"`
	}
	if err := json.Unmarshal(out, &r); err != nil {
		return nil, fmt.Errorf("iperf3 said %q: %w", out, err)
	}
	if r.Error != "" || r.End.Received.Rate == 0 {
		return nil, fmt.Errorf("iperf3 said %q", out)
	}
	return []float64{r.End.Received.Rate / 1e9}, nil
}

// delays reads the median and the 99th percentile, in µs, from what wrk prints.
func delays(out []byte) ([]float64, error) {
	if _, err := browsed(out); err != nil {
		return nil, err
	}
	var values []float64
	for _, part := range []string{"50", "99"} {
		found := regexp.MustCompile(part + `%\s+([0-9.]+(?:us|ms|s))`).FindSubmatch(out)
		if found == nil {
			return nil, fmt.Errorf("wrk said %q", out)
		}
		d, err := time.ParseDuration(string(found[1]))
		if err != nil {
			return nil, err
		}
		values = append(values, float64(d)/float64(time.Microsecond))
	}
	return values, nil
}
