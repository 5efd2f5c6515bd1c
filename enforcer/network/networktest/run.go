package networktest

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The variables by which a test binary knows that it was started for a world,
// and in which folder the world's files may be.
const (
	stageVariable  = "LPM_NETWORKTEST_STAGE"
	folderVariable = "LPM_NETWORKTEST_FOLDER"
)

const (
	stageSetUp = "set-up"
	stageTest  = "test"
)

// Descriptors that a process of a stage starts with.
const (
	mappedFD = 3 // set-up: tells that the ids are mapped
	openerFD = 3 // test: the socket to the opener
)

// Main makes the world where this process was started for that, and does not
// return then. Call it first of all in TestMain.
func Main() {
	if os.Getenv(stageVariable) != stageSetUp {
		return
	}
	code, err := setUp(os.Getenv(folderVariable))
	if err != nil {
		fmt.Fprintln(os.Stderr, "networktest: setting up the world:", err)
		os.Exit(1)
	}
	os.Exit(code)
}

// Run runs a test in a world of its own. The test binary, which must call
// [Main], is started again for this one test (or subtest), so that the function
// is called in another process than what comes before and after it.
//
// Where the machine cannot make a world, the test is skipped, or fails if
// LPM_MUST_SANDBOX is set. So it is if the test was skipped in there.
func Run(t *testing.T, test func(t *testing.T, w *World)) {
	t.Helper()
	if os.Getenv(stageVariable) == stageTest {
		w := newWorld(t)
		test(t, w)
		return
	}
	stage, err := newStage(t)
	if err != nil {
		unable(t, err)
	}
	out, err := stage.run()
	switch {
	case err != nil:
		t.Errorf("in a world of its own: %v\n%s", err, out)
	case bytes.Contains(out, []byte("--- SKIP:")):
		unable(t, fmt.Errorf("skipped in a world of its own:\n%s", out))
	case !bytes.Contains(out, []byte("--- PASS: "+t.Name()+" ")):
		t.Errorf("the test has not run in a world of its own:\n%s", out)
	case testing.Verbose():
		t.Logf("in a world of its own:\n%s", out)
	}
}

func unable(t *testing.T, err error) {
	t.Helper()
	if os.Getenv("LPM_MUST_SANDBOX") != "" {
		t.Fatal(err)
	}
	t.Skip(err)
}

// stage is the process that sets up a world, before it is started.
type stage struct {
	cmd    *exec.Cmd
	maps   []idMaps // none for root
	tell   *os.File
	output bytes.Buffer
}

func newStage(t *testing.T) (*stage, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	folder := filepath.Join(t.TempDir(), "world")
	if err := os.Mkdir(folder, 0o755); err != nil {
		return nil, err
	}
	s := &stage{cmd: exec.CommandContext(t.Context(), self, arguments(t)...)}
	s.cmd.Env = append(os.Environ(), stageVariable+"="+stageSetUp, folderVariable+"="+folder)
	s.cmd.Stdout, s.cmd.Stderr = &s.output, &s.output
	s.cmd.WaitDelay = 10 * time.Second
	s.cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS,
		Pdeathsig:  syscall.SIGKILL,
	}
	told, tell, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	s.cmd.ExtraFiles, s.tell = []*os.File{told}, tell
	t.Cleanup(func() { told.Close(); tell.Close() })
	if os.Geteuid() == 0 {
		return s, nil
	}
	s.cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
	// It has all capabilities in a new namespace, but loses them when the
	// program starts unless they are ambient.
	for c := range uintptr(unix.CAP_LAST_CAP + 1) {
		s.cmd.SysProcAttr.AmbientCaps = append(s.cmd.SysProcAttr.AmbientCaps, c)
	}
	s.maps, err = ownMaps()
	return s, err
}

// run returns what the test printed.
func (s *stage) run() ([]byte, error) {
	// The process dies with the thread that starts it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("making namespaces: %w", err)
	}
	var mapping error
	for _, m := range s.maps {
		if mapping = m.write(s.cmd.Process.Pid); mapping != nil {
			break
		}
	}
	if mapping == nil {
		_, mapping = s.tell.Write([]byte{1})
	}
	s.tell.Close()
	err := s.cmd.Wait()
	return s.output.Bytes(), errors.Join(mapping, err)
}

// arguments are those that run this test alone, with the flags that a package
// adds to those of testing.
func arguments(t *testing.T) []string {
	var pattern []string
	for name := range strings.SplitSeq(t.Name(), "/") {
		pattern = append(pattern, "^"+regexp.QuoteMeta(name)+"$")
	}
	args := []string{"-test.v", "-test.run=" + strings.Join(pattern, "/")}
	if end, ok := t.Deadline(); ok {
		args = append(args, "-test.timeout="+time.Until(end).String())
	}
	flag.Visit(func(f *flag.Flag) {
		if !strings.HasPrefix(f.Name, "test.") {
			args = append(args, "-"+f.Name+"="+f.Value.String())
		}
	})
	return args
}
