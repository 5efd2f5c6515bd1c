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

// cut is at the end of what does not fit in a record, an argument or the list.
const cut = "…"

// commandLine reads what /proc/PID/cmdline says, as far as it fits in a record.
func commandLine(name string) ([]string, error) {
	text, err := readUpTo(name, maxCommand)
	if err != nil {
		return nil, err
	}
	var command []string
	for arg := range strings.SplitSeq(strings.TrimRight(string(text), "\x00"), "\x00") {
		if len(command) == evidence.MaxList-1 {
			return append(command, cut), nil
		}
		command = append(command, argument(arg))
	}
	return command, nil
}

// argument returns one as it may be in a record. Bytes that are not UTF-8 would
// take more room there.
func argument(text string) string {
	text = strings.ToValidUTF8(text, "\ufffd")
	if len(text) <= evidence.MaxText {
		return text
	}
	return strings.ToValidUTF8(text[:evidence.MaxText-len(cut)], "") + cut
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
