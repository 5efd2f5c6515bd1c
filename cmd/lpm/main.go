// Command lpm runs containers under a list of permissions that a person
// approved.
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
