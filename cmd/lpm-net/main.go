// Command lpm-net is the network of one container with a private network. It is
// started by lpm and by nobody else.
package main

import (
	"os"

	"github.com/least-privilege/lpm/enforcer/network/gateway"
)

func main() { os.Exit(gateway.Main()) }
