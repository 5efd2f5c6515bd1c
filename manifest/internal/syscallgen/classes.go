package main

import (
	"bufio"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
)

// class is what classes.txt says of one call.
type class struct {
	group, level, meaning string
}

var (
	section  = regexp.MustCompile(`^\[(\w+) (\w+)\]$`)
	sentence = regexp.MustCompile(`^(\w+): (\S.*\.)$`)
	groups   = []string{"file", "network", "process", "memory", "signal", "time", "privileged"}
	levels   = map[string]string{"normal": "Normal", "dangerous": "Dangerous", "special": "Special"}
)

// readClasses reads classes.txt; its format is told at the top of that file.
func readClasses(path string) (map[string]class, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()

	classes := map[string]class{}
	var now class
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if m := section.FindStringSubmatch(line); m != nil {
			now = class{group: m[1], level: levels[m[2]]}
			if !slices.Contains(groups, now.group) || now.level == "" {
				return nil, fmt.Errorf("%s:%d: no such group or level", path, n)
			}
			continue
		}
		names, meaning := strings.Fields(line), ""
		if m := sentence.FindStringSubmatch(line); m != nil {
			names, meaning = m[1:2], m[2]
		}
		if now.level != "Normal" && meaning == "" {
			return nil, fmt.Errorf("%s:%d: calls above the normal level have a sentence", path, n)
		}
		for _, name := range names {
			if _, twice := classes[name]; twice {
				return nil, fmt.Errorf("%s:%d: %s is classified twice", path, n, name)
			}
			classes[name] = class{now.group, now.level, meaning}
		}
	}
	return classes, lines.Err()
}
