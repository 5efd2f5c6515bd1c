package front

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/manifest"
)

// Volumes reads what --volume says, each time as SOURCE:PATH[:ro].
func Volumes(texts []string) (list []plan.Volume, err error) {
	for _, text := range texts {
		v, err := parseVolume(text)
		if err != nil {
			return nil, fmt.Errorf("--volume %s: %w", text, err)
		}
		list = append(list, v)
	}
	return list, nil
}

// parseVolume reads what --volume says, as SOURCE:PATH[:ro].
func parseVolume(text string) (volume plan.Volume, err error) {
	parts := strings.Split(text, ":")
	if len(parts) < 2 || len(parts) > 3 || parts[0] == "" || !path.IsAbs(parts[1]) {
		return volume, errors.New("expected NAME:PATH or FOLDER:PATH, and :ro behind it or not")
	}
	volume = plan.Volume{Source: parts[0], Path: path.Clean(parts[1])}
	if len(parts) == 3 {
		switch parts[2] {
		case "ro":
			volume.ReadOnly = true
		case "rw":
		default:
			return volume, fmt.Errorf("%q is neither ro nor rw", parts[2])
		}
	}
	// As in docker, what begins with a dot is a folder.
	if path.IsAbs(volume.Source) || strings.HasPrefix(volume.Source, ".") {
		volume.Source, err = filepath.Abs(volume.Source)
	}
	return volume, err
}

// parsePort reads what --publish says, as [[ADDRESS:]HOST:]CONTAINER[/PROTOCOL].
func parsePort(text string) (port plan.Port, err error) {
	rest, protocol, named := strings.Cut(text, "/")
	port.Protocol = manifest.TCP
	if named {
		port.Protocol = manifest.Protocol(protocol)
	}
	if port.Protocol != manifest.TCP && port.Protocol != manifest.UDP {
		return port, fmt.Errorf("%q is neither tcp nor udp", protocol)
	}
	rest, container, outside := cutLast(rest)
	if !outside {
		rest = container
	}
	address, host, hasAddress := cutLast(rest)
	if hasAddress {
		parsed, err := netip.ParseAddr(strings.Trim(address, "[]"))
		if err != nil {
			return port, fmt.Errorf("%q is not an address", address)
		}
		port.Address = parsed.Unmap().String()
	}
	if port.Host, err = portNumber(host); err != nil {
		return port, err
	}
	port.Container, err = portNumber(container)
	return port, err
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

// readableAgain reports whether files can be read more than once, as a pipe
// cannot.
func readableAgain(names []string) bool {
	return !slices.ContainsFunc(names, func(name string) bool {
		info, err := os.Stat(name)
		return err != nil || !info.Mode().IsRegular()
	})
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
