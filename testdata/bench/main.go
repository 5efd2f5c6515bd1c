// Bench measures what lpm costs beside other tools, and prints ratios.
//
// Absolute times belong to the machine they were taken on. The alternatives of
// a comparison take turns in one run, so that whatever else the machine does
// hits them alike, and their medians are compared.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
)

// bench is what the comparisons need to know.
type bench struct {
	lpm    string // the program
	floor  string // the compiled floor
	images string // the folder of the test images
	work   string // an empty folder for what is made on the way
	rounds int    // how often each alternative has its turn
}

func main() {
	var b bench
	flag.StringVar(&b.lpm, "lpm", "", "the lpm `program`")
	flag.StringVar(&b.floor, "floor", "", "the compiled floor")
	flag.StringVar(&b.images, "images", "", "`folder` with the test images")
	flag.StringVar(&b.work, "work", "", "an empty `folder`")
	flag.IntVar(&b.rounds, "rounds", 100, "turns of each launcher; recording has a twentieth of them")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	comparisons := []func(context.Context) error{b.launch, b.record}
	for _, compare := range comparisons {
		if err := compare(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
	}
}

// image returns the path of a test image.
func (b *bench) image(name string) string {
	return filepath.Join(b.images, name+".tar")
}
