// Package rangetest runs unpack jobs in a user namespace for tests.
//
// It stands in for the launcher that lpm itself uses: a test binary starts
// itself again inside a namespace that maps id 0 to the caller's own, and 1 to
// 65535 to a subordinate range.
package rangetest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/least-privilege/lpm/registry/unpack"
)

// variable tells a test binary that it is to run the job on its input.
const variable = "LPM_TEST_RANGE_JOB"

// Main runs the tests or, in the namespace, the job. Call it from TestMain.
func Main(m *testing.M) {
	if os.Getenv(variable) == "" {
		os.Exit(m.Run())
	}
	var job unpack.Job
	err := json.NewDecoder(os.Stdin).Decode(&job)
	if err == nil {
		err = unpack.Run(context.Background(), job)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// count is the number of ids in the range, all but 0.
const count = 65535

// rootFirst is where the range begins for root, who needs no entry in
// /etc/subuid.
const rootFirst = 1_000_000

// Runner returns what runs a job in a namespace. Where the machine cannot, the
// test is skipped, or fails if LPM_MUST_SANDBOX is set.
func Runner(t *testing.T) func(context.Context, unpack.Job) error {
	t.Helper()
	command, err := prepare()
	if err != nil {
		if os.Getenv("LPM_MUST_SANDBOX") == "1" {
			t.Fatalf("no namespace with a range of ids: %v", err)
		}
		t.Skipf("no namespace with a range of ids: %v", err)
	}
	return func(ctx context.Context, job unpack.Job) error {
		input, err := json.Marshal(job)
		if err != nil {
			return err
		}
		var stderr bytes.Buffer
		cmd := command(ctx)
		cmd.Env = append(os.Environ(), variable+"=1")
		cmd.Stdin, cmd.Stderr = bytes.NewReader(input), &stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("job in a namespace: %w: %s", err, strings.TrimSpace(stderr.String()))
		}
		return nil
	}
}

func prepare() (func(context.Context) *exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if os.Geteuid() == 0 {
		return func(ctx context.Context) *exec.Cmd { return asRoot(ctx, self) }, nil
	}
	uids, err := subordinate("/etc/subuid")
	if err != nil {
		return nil, err
	}
	gids, err := subordinate("/etc/subgid")
	if err != nil {
		return nil, err
	}
	for _, tool := range []string{"unshare", "newuidmap", "newgidmap"} {
		if _, err := exec.LookPath(tool); err != nil {
			return nil, err
		}
	}
	return func(ctx context.Context) *exec.Cmd {
		return exec.CommandContext(ctx, "unshare", "--user",
			"--map-user=0", fmt.Sprintf("--map-users=%d,1,%d", uids, count),
			"--map-group=0", fmt.Sprintf("--map-groups=%d,1,%d", gids, count),
			self)
	}, nil
}

// asRoot has the kernel write the maps, which root may choose freely.
func asRoot(ctx context.Context, self string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, self)
	maps := []syscall.SysProcIDMap{
		{ContainerID: 0, HostID: 0, Size: 1},
		{ContainerID: 1, HostID: rootFirst, Size: count},
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: maps, GidMappings: maps, GidMappingsEnableSetgroups: true,
		Credential: &syscall.Credential{Uid: 0, Gid: 0},
	}
	return cmd
}

// Outside is the uid and gid outside the namespace of ids inside.
func Outside(t *testing.T, uid, gid int) [2]int {
	t.Helper()
	if os.Geteuid() == 0 {
		return [2]int{outside(uid, 0, rootFirst), outside(gid, 0, rootFirst)}
	}
	uids, err1 := subordinate("/etc/subuid")
	gids, err2 := subordinate("/etc/subgid")
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	return [2]int{outside(uid, os.Getuid(), uids), outside(gid, os.Getgid(), gids)}
}

func outside(id, own, first int) int {
	if id == 0 {
		return own
	}
	return first + id - 1
}

// subordinate reads the caller's first range that is large enough.
func subordinate(file string) (int, error) {
	me, err := user.Current()
	if err != nil {
		return 0, err
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(data)) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) != 3 || f[0] != me.Username && f[0] != me.Uid {
			continue
		}
		first, err1 := strconv.Atoi(f[1])
		have, err2 := strconv.Atoi(f[2])
		if err := errors.Join(err1, err2); err != nil {
			return 0, err
		}
		if have >= count {
			return first, nil
		}
	}
	return 0, fmt.Errorf("%s has no range of %d ids for %s", file, count, me.Username)
}
