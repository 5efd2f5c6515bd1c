package cmd

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/manifest"
)

// volumes is the value of --volume, as SOURCE:PATH[:ro].
type volumes []plan.Volume

// String implements pflag.Value.
func (v *volumes) String() string { return "" }

// Type implements pflag.Value.
func (v *volumes) Type() string { return "volume" }

// Set implements pflag.Value.
func (v *volumes) Set(text string) error {
	parts := strings.Split(text, ":")
	if len(parts) < 2 || len(parts) > 3 || parts[0] == "" || !path.IsAbs(parts[1]) {
		return errors.New("expected NAME:PATH or FOLDER:PATH, and :ro behind it or not")
	}
	volume := plan.Volume{Source: parts[0], Path: path.Clean(parts[1])}
	if len(parts) == 3 {
		switch parts[2] {
		case "ro":
			volume.ReadOnly = true
		case "rw":
		default:
			return fmt.Errorf("%q is neither ro nor rw", parts[2])
		}
	}
	// As in docker, what begins with a dot is a folder.
	if path.IsAbs(volume.Source) || strings.HasPrefix(volume.Source, ".") {
		absolute, err := filepath.Abs(volume.Source)
		if err != nil {
			return err
		}
		volume.Source = absolute
	}
	*v = append(*v, volume)
	return nil
}

// ports is the value of --publish, as [[ADDRESS:]HOST:]CONTAINER[/PROTOCOL].
type ports []plan.Port

// String implements pflag.Value.
func (p *ports) String() string { return "" }

// Type implements pflag.Value.
func (p *ports) Type() string { return "port" }

// Set implements pflag.Value.
func (p *ports) Set(text string) error {
	rest, protocol, named := strings.Cut(text, "/")
	port := plan.Port{Protocol: manifest.TCP}
	if named {
		port.Protocol = manifest.Protocol(protocol)
	}
	if port.Protocol != manifest.TCP && port.Protocol != manifest.UDP {
		return fmt.Errorf("%q is neither tcp nor udp", protocol)
	}
	rest, container, outside := cutLast(rest)
	if !outside {
		rest = container
	}
	address, host, hasAddress := cutLast(rest)
	if hasAddress {
		parsed, err := netip.ParseAddr(strings.Trim(address, "[]"))
		if err != nil {
			return fmt.Errorf("%q is not an address", address)
		}
		port.Address = parsed.String()
	}
	var err error
	if port.Host, err = portNumber(host); err != nil {
		return err
	}
	if port.Container, err = portNumber(container); err != nil {
		return err
	}
	*p = append(*p, port)
	return nil
}

// cutLast cuts at the last colon. Without one, all is behind it.
func cutLast(text string) (before, after string, found bool) {
	i := strings.LastIndexByte(text, ':')
	return text[:max(i, 0)], text[i+1:], i >= 0
}

func portNumber(text string) (uint16, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is not a port, which is from 1 to 65535", text)
	}
	return uint16(n), nil
}

// maxEnvFile bounds a file of --env-file, in bytes.
const maxEnvFile = 1 << 20

// readEnvFile reads variables as docker's --env-file has them: one a line,
// NAME=VALUE with nothing quoted, or NAME alone, and comments.
func readEnvFile(name string) ([]string, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxEnvFile+1))
	if err != nil {
		return nil, err
	}
	if len(content) > maxEnvFile {
		return nil, fmt.Errorf("%s is larger than %d bytes", name, maxEnvFile)
	}
	content = bytes.TrimPrefix(content, []byte("\ufeff"))
	var env []string
	number := 0
	for line := range bytes.Lines(content) {
		number++
		text := strings.TrimLeft(strings.TrimRight(string(line), "\r\n"), " \t")
		if text == "" || text[0] == '#' {
			continue
		}
		variable, _, _ := strings.Cut(text, "=")
		if variable == "" || strings.ContainsAny(variable, " \t") || !utf8.ValidString(text) || strings.Contains(text, "\x00") {
			return nil, fmt.Errorf("%s, line %d: expected NAME=VALUE, or NAME alone", name, number)
		}
		env = append(env, text)
	}
	return env, nil
}
