package xdg_test

import (
	"strings"
	"testing"

	"github.com/least-privilege/lpm/registry/xdg"
)

func TestData(t *testing.T) {
	for _, test := range []struct{ name, data, want string }{
		{"as XDG says", "/data", "/data/lpm"},
		{"unset", "", "/home/me/.local/share/lpm"},
		{"relative, which XDG says to ignore", "data", "/home/me/.local/share/lpm"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("XDG_DATA_HOME", test.data)
			t.Setenv("HOME", "/home/me")
			if got, err := xdg.Data(); got != test.want || err != nil {
				t.Errorf("Data() = %q, %v, want %q", got, err, test.want)
			}
		})
	}
}

func TestTrust(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", "/tmp/config")
	dirs, err := xdg.Trust()
	if err != nil || strings.Join(dirs, " ") != "/etc/lpm/trust.d /tmp/config/lpm/trust.d" {
		t.Errorf("got %q, %v", dirs, err)
	}
}
