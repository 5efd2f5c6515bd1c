package cmd_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestInstall installs the programs of the test below a folder, as packages are
// built, and uses them there.
func TestInstall(t *testing.T) {
	dest := filepath.Join(t.TempDir(), "a package")
	makes(t, "install", "DESTDIR="+dest, "PREFIX=/usr", "SOURCE_DATE_EPOCH=86400")
	root := filepath.Join(dest, "usr")

	for file, mode := range map[string]os.FileMode{
		"share": os.ModeDir | 0o755, "share/man/man1": os.ModeDir | 0o755,
		"bin/lpm": 0o755, "libexec/lpm/lpm-core": 0o755, "libexec/lpm/lpm-net": 0o755,
		"share/man/man1/lpm.1": 0o644, "share/man/man1/lpm-run.1": 0o644, "share/man/man1/lpm-key-new.1": 0o644,
		"share/bash-completion/completions/lpm": 0o644, "share/zsh/site-functions/_lpm": 0o644,
		"share/fish/vendor_completions.d/lpm.fish": 0o644,
	} {
		info, err := os.Stat(filepath.Join(root, file))
		if err != nil {
			t.Error(err)
		} else if info.Mode() != mode {
			t.Errorf("%s has mode %v, want %v", file, info.Mode(), mode)
		}
	}

	// The front program finds the other one, and that what is to be done.
	installed := exec.Command(filepath.Join(root, "bin", "lpm"), "images")
	installed.Env = append(os.Environ(), "PATH=/nonexistent", "XDG_DATA_HOME="+t.TempDir())
	if out, err := installed.CombinedOutput(); err != nil {
		t.Errorf("lpm images: %v\n%s", err, out)
	}

	completes(t, root)

	page, err := os.ReadFile(filepath.Join(root, "share/man/man1/lpm-run.1"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(page), ".Dd January 2, 1970\n") {
		t.Errorf("the page begins with %.40q", page)
	}
}

// completes has a shell complete a verb by what is installed below a folder.
func completes(t *testing.T, root string) {
	t.Helper()
	// What readline and the package bash-completion would give, in short.
	script := `_get_comp_words_by_ref() { cur=insp prev=lpm words=(lpm insp) cword=1; }
compopt() { :; }
source "$1/share/bash-completion/completions/lpm"
COMP_WORDS=(lpm insp) COMP_CWORD=1 COMP_LINE="lpm insp" COMP_POINT=8 COMP_TYPE=9
__start_lpm
printf '%s\n' "${COMPREPLY[@]}"`
	c := exec.Command("bash", "--norc", "-c", script, "bash", root)
	c.Env = append(os.Environ(), "PATH="+filepath.Join(root, "bin")+":"+os.Getenv("PATH"))
	if out, err := c.CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != "inspect" {
		t.Errorf("lpm insp is completed to %q, %v", out, err)
	}
}

// TestManualIsReproducible makes the pages twice.
func TestManualIsReproducible(t *testing.T) {
	made := []string{pages(t), filepath.Join(t.TempDir(), "made")}
	makes(t, "man", "MAN="+made[1], "DATE=2026-11-29")
	if out, err := exec.Command("diff", "-r", made[0], made[1]).CombinedOutput(); err != nil {
		t.Errorf("the same pages differ: %v\n%s", err, out)
	}
}

// TestManualIsClean has mandoc look at all pages. It would miss no other page
// than those of lpm that are not installed.
func TestManualIsClean(t *testing.T) {
	if _, err := exec.LookPath("mandoc"); err != nil {
		if os.Getenv("LPM_MUST_SANDBOX") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	list, err := filepath.Glob(filepath.Join(pages(t), "*.1"))
	if err != nil || len(list) < 20 {
		t.Fatal(list, err)
	}
	out, err := exec.Command("mandoc", append([]string{"-T", "lint", "-W", "style"}, list...)...).CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if !strings.Contains(line, "referenced manual not found: Xr lpm") {
			t.Errorf("%s (%v)", line, err)
		}
	}
}

func pages(t *testing.T) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "man1")
	if out, err := exec.Command("lpm", "manual", "--date", "2026-11-29", folder).CombinedOutput(); err != nil {
		t.Fatalf("lpm manual: %v\n%s", err, out)
	}
	return folder
}

// makes runs make in the tree, for someone whose files are private, with the
// programs of the test in place of those that it would build.
func makes(t *testing.T, args ...string) {
	t.Helper()
	lpm, err := exec.LookPath("lpm")
	if err != nil {
		t.Fatal(err)
	}
	args = append([]string{"-o", "build", "BIN=" + filepath.Dir(lpm)}, args...)
	c := exec.Command("sh", append([]string{"-c", `umask 077 && exec make "$@"`, "sh"}, args...)...)
	c.Dir = ".."
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("make %q: %v\n%s", args, err, out)
	}
}
