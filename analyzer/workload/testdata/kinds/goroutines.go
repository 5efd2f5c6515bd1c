//go:build ignore

// Goroutines that block in the kernel, a timer, a pipe to another program.
package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"sync"
	"time"
)

func main() {
	if len(os.Args) > 1 {
		fmt.Println("child")
		return
	}
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() { time.Sleep(time.Millisecond) })
	}
	group.Wait()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	l.Close()
	if out, err := exec.Command(os.Args[0], "child").Output(); err != nil || string(out) != "child\n" {
		panic(fmt.Sprint(out, err))
	}
	if err := os.WriteFile("/tmp/file", []byte("text"), 0o600); err != nil {
		panic(err)
	}
	fmt.Println("passed")
}
