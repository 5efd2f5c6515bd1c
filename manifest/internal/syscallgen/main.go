// Command syscallgen writes package manifest's tables of system calls.
//
// Names and numbers are those of golang.org/x/sys/unix (zsysnum_linux_*.go,
// made from the kernel's own headers), in the version that go.mod names.
// Group, level and meaning come from classes.txt beside this file, which is
// written by hand. A call that only one of the two knows is an error, so that
// a new kernel's calls cannot slip in unjudged.
package main

import (
	"flag"
	"log"
	"os"
	"path/filepath"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("syscallgen: ")
	classes := flag.String("classes", "internal/syscallgen/classes.txt", "the classification to read")
	out := flag.String("o", ".", "the folder to write the tables to")
	flag.Parse()

	files, err := generate(*classes)
	if err != nil {
		log.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(*out, name), text, 0o644); err != nil {
			log.Fatal(err)
		}
	}
}
