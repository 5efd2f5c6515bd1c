package peers

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// tool returns the path of a peer's own program. Where it is not installed the
// test is skipped, but not where everything has to be tested.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		// An ordinary user's PATH often lacks it.
		path, err = exec.LookPath("/usr/sbin/" + name)
	}
	switch {
	case err != nil && os.Getenv("LPM_MUST_SANDBOX") != "":
		t.Fatal(err)
	case err != nil:
		t.Skip(err)
	}
	return path
}

// nft loads a ruleset in a network namespace of its own, twice.
func nft(t *testing.T, file string) ([]byte, error) {
	t.Helper()
	args := []string{"--net", "sh", "-ec", `"$0" -c -f "$1"; "$0" -f "$1"; "$0" -f "$1"; "$0" list ruleset`, tool(t, "nft"), file}
	if os.Getuid() != 0 {
		args = append([]string{"--user", "--map-root-user"}, args...)
	}
	return exec.CommandContext(t.Context(), "unshare", args...).CombinedOutput()
}

func TestNFTTakesTheRulesets(t *testing.T) {
	for _, name := range samples {
		out, err := nft(t, filepath.Join("testdata", name+"."+string(NFTables)))
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		if n := bytes.Count(out, []byte("chain output")); n != 1 {
			t.Errorf("%s: loaded twice, there are %d tables\n%s", name, n, out)
		}
	}
	wrong := filepath.Join(t.TempDir(), "wrong")
	if err := os.WriteFile(wrong, []byte("table inet x { chain y { tcp dport 0x accept } }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := nft(t, wrong); err == nil {
		t.Errorf("nft takes anything: %s", out)
	}
}

func TestSystemdTakesTheDropIns(t *testing.T) {
	for _, name := range samples {
		if out := verify(t, export(t, sample(t, name), Systemd).Text); len(out) > 0 {
			t.Errorf("%s: %s", name, out)
		}
	}
	if out := verify(t, "[Service]\nSocketBindAllow=tcp:x\n"); len(out) == 0 {
		t.Error("systemd takes anything")
	}
}

// verify returns what systemd finds wrong with a drop-in, as a part of a unit.
func verify(t *testing.T, text string) []byte {
	t.Helper()
	unit := filepath.Join(t.TempDir(), "app.service")
	if err := os.WriteFile(unit, []byte("[Service]\nExecStart=/bin/true\n"+text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), tool(t, "systemd-analyze"), "verify", unit).CombinedOutput()
	if err != nil {
		out = append(out, err.Error()...)
	}
	return out
}
