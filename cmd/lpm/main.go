// Command lpm runs containers under a list of permissions that a person
// approved. See package front.
//
// Two things that Go does at its start are left out, for the time they take: to
// look for the cgroup's share of processors, and to look again every second.
//
//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0
package main

import (
	"os"

	"github.com/least-privilege/lpm/cmd/front"
)

func main() { os.Exit(front.Main()) }
