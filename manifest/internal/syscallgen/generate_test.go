package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// The tables are those that the sources give: when golang.org/x/sys brings new
// calls, this fails until they are classified and generated.
func TestTablesAreUpToDate(t *testing.T) {
	files, err := generate("classes.txt")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join("..", "..", name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what syscallgen writes; run go generate ./manifest", name)
		}
	}
}
