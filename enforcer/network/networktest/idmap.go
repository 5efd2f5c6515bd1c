package networktest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
)

// idMap maps ids of the world to those outside.
type idMap struct{ inside, outside, size int }

// idMaps are the maps of one kind of ids.
type idMaps struct {
	file, tool string
	maps       []idMap
}

// rangeFiles say which subordinate ids users have.
func rangeFiles() [2]string { return [2]string{"/etc/subuid", "/etc/subgid"} }

// ownMaps returns the maps for an ordinary user: each id is the same inside,
// but that the first subordinate one is root. Without subordinate ids, or what
// maps them, only the own id is there.
func ownMaps() ([]idMaps, error) {
	uid, gid := os.Getuid(), os.Getgid()
	uids, err1 := subordinate(rangeFiles()[0])
	gids, err2 := subordinate(rangeFiles()[1])
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	u := idMaps{"uid_map", "newuidmap", []idMap{{uid, uid, 1}}}
	g := idMaps{"gid_map", "newgidmap", []idMap{{gid, gid, 1}}}
	_, noUsers := exec.LookPath(u.tool)
	_, noGroups := exec.LookPath(g.tool)
	if uids.size > 1 && gids.size > 1 && noUsers == nil && noGroups == nil {
		u.maps = append(u.maps, idMap{0, uids.outside, 1}, idMap{uids.outside + 1, uids.outside + 1, uids.size - 1})
		g.maps = append(g.maps, idMap{0, gids.outside, 1}, idMap{gids.outside + 1, gids.outside + 1, gids.size - 1})
	}
	return []idMaps{g, u}, nil
}

func (m idMaps) write(pid int) error {
	proc := "/proc/" + strconv.Itoa(pid) + "/"
	if len(m.maps) == 1 {
		if m.file == "gid_map" {
			if err := os.WriteFile(proc+"setgroups", []byte("deny"), 0); err != nil {
				return fmt.Errorf("giving up setgroups: %w", err)
			}
		}
		one := fmt.Sprintf("%d %d 1\n", m.maps[0].inside, m.maps[0].outside)
		return os.WriteFile(proc+m.file, []byte(one), 0)
	}
	args := []string{strconv.Itoa(pid)}
	for _, r := range m.maps {
		args = append(args, strconv.Itoa(r.inside), strconv.Itoa(r.outside), strconv.Itoa(r.size))
	}
	if out, err := exec.Command(m.tool, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("mapping ids: %w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

// names are those by which the files may name the user.
func names() ([]string, error) {
	me, err := user.Current()
	if err != nil {
		return nil, err
	}
	return []string{me.Username, me.Uid}, nil
}

// subordinate returns the largest range that a file gives the user, or an empty
// one.
func subordinate(file string) (idMap, error) {
	own, err := names()
	if err != nil {
		return idMap{}, err
	}
	data, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return idMap{}, err
	}
	var largest idMap
	for line := range strings.Lines(string(data)) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) != 3 || f[0] != own[0] && f[0] != own[1] {
			continue
		}
		first, err1 := strconv.Atoi(f[1])
		size, err2 := strconv.Atoi(f[2])
		if err := errors.Join(err1, err2); err != nil {
			return idMap{}, fmt.Errorf("%s: %w", file, err)
		}
		if size > largest.size {
			largest = idMap{outside: first, size: size}
		}
	}
	return largest, nil
}
