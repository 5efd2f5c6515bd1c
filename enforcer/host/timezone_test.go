package host

import (
	"os"
	"path/filepath"
	"testing"
)

// TestTimeZone: names lead to files of time zones, and nowhere else.
func TestTimeZone(t *testing.T) {
	m := imitation(t, map[string]string{
		"/usr/share/zoneinfo/Europe/Berlin": "TZif2 of Berlin",
		"/usr/share/zoneinfo/zone.tab":      "# no zone",
		"/usr/share/zoneinfo/short":         "TZ",
		"/etc/secret":                       "TZif2",
	})
	for link, target := range map[string]string{
		"/etc/localtime": "../usr/share/zoneinfo/Europe/Berlin", "/usr/share/zoneinfo/CET": "Europe/Berlin",
		"/usr/share/zoneinfo/device": "/dev/zero", "/usr/share/zoneinfo/nowhere": "none",
	} {
		if err := os.Symlink(target, m.file(link)); err != nil {
			t.Fatal(err)
		}
	}
	root, err := filepath.EvalSymlinks(m.root)
	if err != nil {
		t.Fatal(err)
	}
	berlin := filepath.Join(root, "/usr/share/zoneinfo/Europe/Berlin")
	for name, want := range map[string]string{
		"Europe/Berlin": berlin, "CET": berlin, "local": berlin,
		"Europe": "", "zone.tab": "", "short": "", "nowhere": "", "device": "", "Mars/Base": "",
		"": "", ".": "", "..": "", "../../../etc/secret": "", "Europe/../../../../etc/secret": "", "/etc/secret": "",
	} {
		got, err := m.timeZone(name)
		if want == "" && err == nil || want != "" && (err != nil || got != want) {
			t.Errorf("%q leads to %q, %v; want %q", name, got, err, want)
		}
	}
}
