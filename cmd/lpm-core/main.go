// Command lpm-core is the whole of lpm. It is not called by people but by
// lpm, for everything that is not the launch of something prepared; see
// package front.
package main

import (
	"os"

	"github.com/least-privilege/lpm/cmd"
	"github.com/least-privilege/lpm/enforcer/userns"
)

func main() {
	userns.Main(cmd.Works())
	os.Exit(cmd.Main())
}
