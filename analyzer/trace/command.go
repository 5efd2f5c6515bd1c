package trace

import (
	"io"
	"os"
	"strings"

	"github.com/least-privilege/lpm/analyzer/evidence"
)

// maxCommand bounds what is read of a process's command line, in bytes. It can
// be moved over any memory that the process has (PR_SET_MM_MAP, prctl(2)).
const maxCommand = 256 << 10

// commandLine reads what /proc/PID/cmdline says, as far as it fits in a record.
func commandLine(name string) ([]string, error) {
	text, err := readUpTo(name, maxCommand)
	if err != nil {
		return nil, err
	}
	return evidence.FitCommand(strings.Split(strings.TrimRight(string(text), "\x00"), "\x00")), nil
}

// readUpTo reads a file, or its beginning.
func readUpTo(name string, most int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most))
}
