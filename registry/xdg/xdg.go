// Package xdg says where a person's lpm data and settings are.
//
// The folders are those of the XDG base directory specification. Everything
// that looks for them asks here, the front process of a launch among them, for
// which reason this package needs next to nothing.
package xdg

import (
	"fmt"
	"os"
	"path/filepath"
)

// SystemTrust holds the public keys that everyone on the machine trusts.
const SystemTrust = "/etc/lpm/trust.d"

// Launches is the folder of prepared launches, below [Data]. Whoever removes
// what is in it loses nothing but the next launches' time.
const Launches = "launches"

// Data is the person's store: lpm in $XDG_DATA_HOME, or in ~/.local/share
// where that is unset or, against the specification, not absolute.
func Data() (string, error) {
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "lpm"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("finding the store: %w", err)
	}
	return filepath.Join(home, ".local", "share", "lpm"), nil
}

// Settings is lpm in $XDG_CONFIG_HOME, or in ~/.config.
func Settings() (string, error) {
	base, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("finding the folder of settings: %w", err)
	}
	return filepath.Join(base, "lpm"), nil
}

// Trust returns the folders of trusted keys: the system's, then the person's
// own.
func Trust() ([]string, error) {
	settings, err := Settings()
	if err != nil {
		return nil, err
	}
	return []string{SystemTrust, filepath.Join(settings, "trust.d")}, nil
}
