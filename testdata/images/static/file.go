package main

import (
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
)

func hello([]string) error {
	fmt.Println("hello from a container")
	return nil
}

func echo(args []string) error {
	fmt.Println(strings.Join(args, " "))
	return nil
}

func environment([]string) error {
	env := os.Environ()
	sort.Strings(env)
	fmt.Println(strings.Join(env, "\n"))
	return nil
}

func cat(args []string) error {
	if len(args) != 1 {
		return errUsage
	}
	data, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(data)
	return err
}

func write(args []string) error {
	if len(args) != 2 {
		return errUsage
	}
	return os.WriteFile(args[0], []byte(args[1]), 0o644)
}

func remove(args []string) error {
	if len(args) != 1 {
		return errUsage
	}
	return os.Remove(args[0])
}

func list(args []string) error {
	if len(args) != 1 {
		return errUsage
	}
	entries, err := os.ReadDir(args[0])
	if err != nil {
		return err
	}
	for _, e := range entries {
		fmt.Println(e.Name())
	}
	return nil
}

// allocate touches every page, so that the memory is really used.
func allocate(args []string) error {
	if len(args) != 1 {
		return errUsage
	}
	mib, err := strconv.Atoi(args[0])
	if err != nil {
		return errUsage
	}
	memory := make([]byte, mib<<20)
	for i := 0; i < len(memory); i += os.Getpagesize() {
		memory[i] = 1
	}
	fmt.Println(len(memory)>>20, "MiB")
	return nil
}
